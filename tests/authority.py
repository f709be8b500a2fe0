"""A certificate authority of the test's own, made by the openssl command: server, peers, a stranger, one too late."""

import ssl
import subprocess
from pathlib import Path


class Authority:
    """An authority in `folder` that signs certificates for any names."""

    def __init__(self, folder: Path, name: str = "Test authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.ca = folder / "ca.crt"
        self.key = folder / "ca.key"
        self._openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"),
            *("-subj", f"/CN={name}", "-keyout", self.key, "-out", self.ca),
            *("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        )

    def certificate(self, name: str, *, days: int = 30, ended: bool = False) -> tuple[Path, Path]:
        """A certificate for `name` (as subjectAltName) and its key; `ended` yesterday."""
        stem = f"{name}-ended" if ended else name
        cert, key, request = (self.folder / f"{stem}.{ending}" for ending in ("crt", "key", "csr"))
        self._openssl(
            *("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout", key, "-out", request),
        )
        for made in ("index.txt", "serial"):
            (self.folder / made).write_text("" if made == "index.txt" else "1000\n")
        (self.folder / "ca.cnf").write_text(
            "[ca]\ndefault_ca = own\n[own]\ndir = .\ndatabase = index.txt\nserial = serial\nnew_certs_dir = .\n"
            "default_md = sha256\npolicy = any\ncopy_extensions = copy\nunique_subject = no\n"
            "[any]\ncommonName = supplied\n"
        )
        dates = ["-startdate", "20200101000000Z", "-enddate", "20200201000000Z"] if ended else ["-days", str(days)]
        self._openssl(
            *("ca", "-batch", "-notext", "-config", "ca.cnf", "-cert", self.ca, "-keyfile", self.key),
            *("-in", request, "-out", cert, *dates),
        )
        return cert, key

    def peer(
        self, cert: Path | None = None, key: Path | None = None, *, trusts: "Authority | None" = None
    ) -> ssl.SSLContext:
        """The context of a client that trusts an authority (this one) and shows a certificate, if any."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations((trusts or self).ca)
        if cert and key:
            context.load_cert_chain(cert, key)
        return context

    def _openssl(self, *words: object) -> None:
        done = subprocess.run(
            ["openssl", *map(str, words)], cwd=self.folder, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"openssl {words[0]}: {done.stderr}"


def fingerprint(cert: Path) -> str:
    """The SHA-256 fingerprint of a certificate, as openssl prints it."""
    done = subprocess.run(
        ["openssl", "x509", "-in", cert, "-noout", "-fingerprint", "-sha256"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return done.stdout.strip().split("=")[1]
