# One image for all that pst does, on the CPU or on CUDA: torch's usual wheel has both.
#
#   docker build --tag pst .
#   docker run --rm --init --volume pst:/pst --volume "$PWD:/pictures" pst run FOLDER --out DIR
#
# It holds neither weights nor anything computed: all that lasts lies in /pst (PST_HOME) and /pictures.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS python
# OpenCV loads the system's libGL and GLib; certificates are for fetching torchvision's weights.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates libgl1 libglib2.0-0 python3-venv \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log \
    && python3 -m venv /opt/pst
ENV PATH=/opt/pst/bin:$PATH

FROM python AS requirements
COPY pyproject.toml .
RUN python -c 'import pathlib, tomllib; \
project = tomllib.loads(pathlib.Path("pyproject.toml").read_text())["project"]; \
extras = project["optional-dependencies"]; \
print(*project["dependencies"], *extras["heif"], *extras["raw"], *extras["video"], sep="\n")' > requirements.txt

# Gigabytes that seldom change: a layer of their own, made anew only when other libraries are asked for.
FROM python AS libraries
COPY --from=requirements requirements.txt /tmp/
RUN pip install --no-cache-dir --requirement /tmp/requirements.txt && rm /tmp/requirements.txt

FROM libraries AS wheel
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheel .

FROM libraries
COPY --from=wheel /wheel /wheel
RUN pip install --no-cache-dir --no-deps --no-index /wheel/*.whl && rm -r /wheel

# Files in folders of the host's belong to this user: give it the number of whoever owns those.
ARG USER_ID=1000
ARG GROUP_ID=1000
RUN groupadd --non-unique --gid "$GROUP_ID" pst \
    && useradd --non-unique --uid "$USER_ID" --gid pst --create-home pst \
    && install --directory --owner=pst --group=pst /pst /pictures
ENV PST_HOME=/pst \
    PST_PICTURES=/pictures \
    TORCH_HOME=/pst/torch \
    PYTHONUNBUFFERED=1
USER ${USER_ID}:${GROUP_ID}
WORKDIR /pictures
ENTRYPOINT ["pst"]
CMD ["--help"]
