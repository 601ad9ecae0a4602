# Two stages: the first installs what the lock names, the second runs it as nobody in particular.
FROM python:3.13-slim-bookworm AS build
WORKDIR /mailcheck
COPY requirements.lock pyproject.toml README.md LICENSE ./
RUN python -m venv .venv && .venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY .wheel .wheel
COPY bot bot
COPY handlers handlers
RUN .venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim-bookworm
RUN useradd --uid 10001 --create-home mailcheck && install -d -o 10001 /state
COPY --from=build /mailcheck/.venv /mailcheck/.venv
WORKDIR /mailcheck
ENV MAILCHECK_STATE_DIR=/state MAILCHECK_HTTP=0.0.0.0:3000 PYTHONUNBUFFERED=1
USER 10001
VOLUME /state
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=3s --start-period=10s \
    CMD ["/mailcheck/.venv/bin/python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:3000/healthz', timeout=2)"]
CMD ["/mailcheck/.venv/bin/mailcheck", "serve"]
