# Candor without Hugging Face Spaces: docker build -t candor . && docker run -p 7860:7860 -v candor:/data candor
FROM python:3.12-slim-bookworm

COPY packages.txt .
RUN apt-get update && xargs apt-get install -y --no-install-recommends < packages.txt && rm -rf /var/lib/apt/lists/*

RUN useradd --create-home --uid 1000 candor && mkdir /app /data && chown candor /app /data
WORKDIR /app
COPY --chown=candor requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY --chown=candor . .

USER candor
# Keys and ledger outlive the container in /data; visitors' files do not.
ENV CANDOR_HOME=/data GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=7860 PYTHONUNBUFFERED=1
EXPOSE 7860
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:7860/healthz')"]
CMD ["python", "app.py"]
