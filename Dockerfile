# The image of workers, trainers and commands, for Compose and Kubernetes: docker build -t interest-stream .
FROM python:3.11-slim-bookworm AS packages
WORKDIR /app
COPY requirements-uv.txt requirements.txt ./
RUN pip install --no-cache-dir --require-hashes -r requirements-uv.txt
# Without triton, a gigabyte that only torch.compile needs. The lock's torch runs on CPU and CUDA, and does not start
# without NVIDIA's libraries: they are three of the image's four and a half gigabytes.
RUN --mount=type=cache,target=/cache \
    awk '/^[a-z]/ { kept = !/^triton==/ } kept' requirements.txt > kept.txt \
    && python -m venv --without-pip /opt/interest \
    && UV_CACHE_DIR=/cache uv pip install --python /opt/interest/bin/python --link-mode=copy --compile-bytecode --no-deps \
        --require-hashes -r kept.txt
COPY pyproject.toml ./
COPY models models
COPY state state
COPY streams streams
COPY bench bench
RUN uv pip install --python /opt/interest/bin/python --no-cache --no-deps --no-build-isolation --editable . \
    && python -m compileall -q .

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --create-home interest && install --directory --owner=interest /data
COPY --from=packages /opt/interest /opt/interest
COPY --from=packages /app /app
ENV PATH=/opt/interest/bin:$PATH \
    INTEREST_WORKER__DATA_DIR=/data \
    INTEREST_TRAINER__TRAINED_DIR=/data/trained \
    INTEREST_WEB__DATA_DIR=/data/web \
    INTEREST_POLICY__DATA_DIR=/data/policy \
    INTEREST_MONITORING__HOST=0.0.0.0 \
    INTEREST_MONITORING__PORT=9110
USER 10001
WORKDIR /app
VOLUME /data
EXPOSE 9110
ENTRYPOINT ["interest-stream"]
CMD ["worker"]
