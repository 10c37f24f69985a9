# The service in a container (docs/deployment.md):
#   docker build --target cpu -t the-tear:cpu .    nano inside, answers by itself
#   docker build --target gpu -t the-tear:gpu .    for NVIDIA GPUs, and for Ray; base and adapter are mounted
#
# One base image for both: the Python that the tests run on, with every package pinned by hash. vLLM's own image would
# bring another Python, and versions of the packages that the two share which nobody here has tried.

FROM python:3.11-slim-bookworm AS packages
# Where pip finds wheels that the index in use does not have; an index is set as pip itself is told of one.
ARG PIP_FIND_LINKS
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# Two environments without pip, filled from outside: what builds the wheel, and what is shipped.
RUN python3 -m venv --without-pip /build/tools && python3 -m venv --without-pip /opt/tear
COPY requirements/build.lock /build/
RUN python3 -m pip --python /build/tools/bin/python install --no-deps --require-hashes -r /build/build.lock


FROM packages AS wheel
WORKDIR /build/source
COPY pyproject.toml README.md LICENSE ./
COPY chain chain
COPY server server
COPY training/tear_training training/tear_training
COPY clients clients
RUN /build/tools/bin/hatchling build --target wheel --directory /build/dist


FROM packages AS cpu-packages
# torch by itself, as in the Makefile: its small build for CPUs is on an index of its own (docs/deployment.md).
RUN python3 -m pip --python /opt/tear/bin/python install torch==2.13.0
COPY requirements/serve-cpu.lock /build/
RUN python3 -m pip --python /opt/tear/bin/python install --no-deps --require-hashes -r /build/serve-cpu.lock
COPY --from=wheel /build/dist /build/dist
RUN python3 -m pip --python /opt/tear/bin/python install --no-deps /build/dist/*.whl


FROM packages AS gpu-packages
COPY requirements/serve-gpu.lock /build/
RUN python3 -m pip --python /opt/tear/bin/python install --no-deps --require-hashes -r /build/serve-gpu.lock
COPY --from=wheel /build/dist /build/dist
RUN python3 -m pip --python /opt/tear/bin/python install --no-deps /build/dist/*.whl


FROM python:3.11-slim-bookworm AS service
# A number, so that Kubernetes can see that it is not root; a name, since torch asks for one.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin tear \
    && install --directory --owner tear --group tear --mode 700 /var/lib/tear /var/cache/tear
COPY deploy/container/start /usr/local/bin/tear-start
# Everything that is written goes to /tmp, so the root may be read-only. LOGNAME is for those who run it as another user.
ENV PATH=/opt/tear/bin:$PATH \
    HOME=/tmp \
    LOGNAME=tear \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TEAR_HOST=0.0.0.0
WORKDIR /var/lib/tear
EXPOSE 8000
# Nothing listens before the model is loaded: until then this fails, and is not counted.
HEALTHCHECK --start-period=10m --interval=10s --timeout=5s --retries=3 \
    CMD ["python3", "-IS", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.getenv(\"TEAR_PORT\", \"8000\")}/health', timeout=4)"]
ENTRYPOINT ["tear-start"]
CMD ["serve"]


FROM service AS gpu
# Triton compiles what starts its kernels, at run time: a compiler is part of what runs.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev libnuma1 wget \
    && rm -rf /var/lib/apt/lists/*
COPY --from=gpu-packages /opt/tear /opt/tear
# What the container toolkit looks for in an image.
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 10001:10001


# The last one, so it is what a build without --target makes.
FROM service AS cpu
# vLLM's kernels for CPUs are linked to it, and slim images leave it out. Not pinned: Debian keeps only its newest.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends libnuma1 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=cpu-packages /opt/tear /opt/tear
COPY training/nano/base /srv/tear/nano/base
COPY training/nano/adapter /srv/tear/nano/adapter
# Whatever the modes were where the image is built.
RUN chmod -R a+rX /srv/tear
# Nothing is compiled, since there is no compiler; vLLM runs eagerly on a CPU anyway, all but a few of its samplers.
ENV TORCH_COMPILE_DISABLE=1 \
    TEAR_BASE=/srv/tear/nano/base \
    TEAR_ADAPTER=/srv/tear/nano/adapter
USER 10001:10001
