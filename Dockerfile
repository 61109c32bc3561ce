# Two images: `site` for web, workers and Beat; `models` for the local models, which holds
# no site, no settings and no operator's code (see docker-compose.yml).
FROM python:3.11-slim-bookworm AS packages
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --create-home --uid 10001 crunchsite
WORKDIR /app
COPY requirements/prod.txt requirements/
RUN pip install --require-hashes -r requirements/prod.txt

FROM packages AS models
COPY core core
COPY competitions/__init__.py competitions/
COPY competitions/local_models competitions/local_models
RUN mkdir -p var/log/models /sockets \
    && cp -r competitions/local_models/examples var/models \
    && chown -R crunchsite var /sockets
USER crunchsite
CMD ["python", "-m", "competitions.local_models", "--models", "var/models"]

FROM packages AS site
COPY . .
RUN mkdir -p var/log/models /sockets \
    && cp -r competitions/local_models/examples var/models \
    && chown -R crunchsite var /sockets
USER crunchsite
ENV DJANGO_SETTINGS_MODULE=crunchsite.settings.prod
EXPOSE 8000
CMD ["waitress-serve", "--listen=*:8000", "--threads=8", "crunchsite.wsgi:application"]
