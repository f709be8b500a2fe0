"""`python -m pasmirror.bench THREADS SAVES`: one process of the bench's clerks; started by pasmirror.bench.clerks."""

import os
import sys

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pasmirror.settings")
    django.setup()

    from pasmirror.bench import clerks

    clerks.work(int(sys.argv[1]), int(sys.argv[2]))
