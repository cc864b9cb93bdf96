# NOT BUILT: there was no Docker daemon where it was written. hadolint has read it.
#   docker build -f deploy/docker/cpu.Dockerfile -t REGISTRY/t2rl:cpu .
#   docker run --rm --shm-size=2g -v "$PWD/runs:/opt/t2rl/runs" REGISTRY/t2rl:cpu train quickstart
# Where the package index has no CPU build of torch, name one that has: --build-arg PIP_EXTRA_INDEX_URL=...
# Code rewards isolate programs with bubblewrap, which needs --privileged, or --security-opt seccomp=unconfined and a kernel that
# grants user namespaces (docs/sandbox.md); `doctor` says what is in force.
FROM python:3.12-slim-bookworm

# util-linux has lscpu and libnuma1 is a library, both vLLM's; bubblewrap isolates the programs that code rewards run. Versions are
# Debian's: a pinned one is gone from its mirrors with the next security fix.
# hadolint ignore=DL3008
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        make git util-linux libnuma1 bubblewrap libseccomp2 ca-certificates \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/t2rl
COPY . .
ARG PIP_EXTRA_INDEX_URL
RUN make setup PYTHON=python3 \
    && .venv/bin/python -m pip install --no-cache-dir -c constraints-cpu.txt 'ray[default]==2.60.0'

ENV PATH=/opt/t2rl/.venv/bin:$PATH \
    RAY_process_group_cleanup_enabled=1
ENTRYPOINT ["t2rl"]
CMD ["doctor"]
