# MedImgAnalysis without a screen: the command medimg. See docs/container.md.
FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE.txt ./
COPY MedImgAnalysis/MedImgAnalysisLib MedImgAnalysis/MedImgAnalysisLib
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.12-slim
LABEL org.opencontainers.image.title="MedImgAnalysis" \
      org.opencontainers.image.source="https://github.com/MedImgAnalysis/SlicerMedImgAnalysis" \
      org.opencontainers.image.licenses="Apache-2.0"
# Mesa draws the pictures of pages and reports; no X server is needed.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libegl1 libgl1 libgl1-mesa-dri \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /wheels /wheels
# hadolint ignore=DL3013
RUN wheel="$(ls /wheels/*.whl)" \
 && python -m pip install --no-cache-dir "${wheel}[standalone,dicom,dask]" \
 && useradd --create-home --uid 1000 medimg
USER 1000
ENV PYTHONUNBUFFERED=1 \
    MEDIMG_CACHE=/tmp/medimg
WORKDIR /data
ENTRYPOINT ["medimg"]
CMD ["--help"]
