# syntax=docker/dockerfile:1
# Two stages: the first installs the locked dependencies and builds the package, the second carries only what runs.
# It needs to write nowhere but in its volumes and /tmp: run it with --read-only --tmpfs /tmp --cap-drop ALL.
FROM python:3.13-slim AS build
WORKDIR /src
RUN apt-get update \
 && apt-get install --yes --no-install-recommends gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/sftp-orchestrator
ENV PATH=/opt/sftp-orchestrator/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements/runtime.lock requirements/build.lock requirements/
RUN pip install --require-hashes --requirement requirements/runtime.lock \
 && python -m venv /opt/build \
 && /opt/build/bin/pip install --require-hashes --requirement requirements/build.lock
COPY pyproject.toml README.md LICENSE ./
COPY sftp_orchestrator sftp_orchestrator
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
 && pip install --no-deps /dist/*.whl

FROM python:3.13-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends gnupg \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --create-home --home-dir /var/lib/sftp-orchestrator orchestrator \
 && install -d -o orchestrator -g orchestrator -m 0700 /var/lib/sftp-orchestrator/workspace \
 && install -d -o orchestrator -g orchestrator -m 0770 /var/lib/sftp-orchestrator/staging \
 && install -d -o orchestrator -g orchestrator -m 0700 /receiver \
 && install -d -o orchestrator -g orchestrator -m 0770 /data /data/staging
COPY --from=build /opt/sftp-orchestrator /opt/sftp-orchestrator
ENV PATH=/opt/sftp-orchestrator/bin:$PATH \
    SFTP_ORCHESTRATOR_CONFIG=/etc/sftp-orchestrator/config.yml \
    CREDENTIALS_DIRECTORY=/run/secrets \
    PYTHONUNBUFFERED=1 \
    LOGNAME=orchestrator
USER orchestrator
# Fails when a station made no progress within its time, or nobody answers: a stuck daemon is unhealthy, an idle one is not.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --start-interval=2s --retries=3 \
    CMD ["sftp-orchestrator", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["sftp-orchestrator"]
CMD ["run"]
