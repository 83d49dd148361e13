# hiveweb with the programs its sessions run. docs/container.md: how to build, run and upgrade.

# --- claude-flow and claude, pinned by deploy/container/package-lock.json -----------------------
# The full image has the compiler that better-sqlite3 needs, and Node's headers below /usr/local.
FROM node:22-bookworm AS tools
ENV npm_config_build_from_source=true \
    npm_config_nodedir=/usr/local
WORKDIR /opt/hive-tools
COPY deploy/container/package.json deploy/container/package-lock.json ./
COPY deploy/container/left-out ./left-out
RUN npm ci --ignore-scripts --no-audit --no-fund
RUN npm rebuild better-sqlite3 @anthropic-ai/claude-code

# --- the image ---------------------------------------------------------------------------------
FROM python:3.11-slim-bookworm
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        bash ca-certificates curl git jq lsof make procps tini \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 1000 --shell /bin/bash dev

COPY --from=tools /usr/local/bin/node /usr/local/bin/node
COPY --from=tools /usr/local/lib/node_modules/npm /usr/local/lib/node_modules/npm
COPY --from=tools /opt/hive-tools /opt/hive-tools
# Where they are found with an empty environment too.
RUN ln -s /usr/local/lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm \
    && ln -s /usr/local/lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx \
    && ln -s /opt/hive-tools/node_modules/.bin/claude-flow /usr/local/bin/claude-flow \
    && ln -s /opt/hive-tools/node_modules/.bin/claude /usr/local/bin/claude

WORKDIR /app
ENV PIP_NO_CACHE_DIR=1 \
    PYTHONUNBUFFERED=1
COPY Makefile requirements.txt requirements-cluster.txt ./
COPY scripts/install.sh scripts/
# The clients of PostgreSQL and Redis come with it; nothing loads them until settings name a server.
RUN make install-cluster
COPY . .

# The same values for every process of the container: `docker exec` takes them from here, what
# runs with an empty environment (cron) from the file. HIVE_TOKEN comes from outside.
ENV HIVE_WORKSPACE=/workspace \
    HIVE_LOG_DIR=/var/log/multi-agent \
    HIVE_STATE_DIR=/var/lib/hiveweb \
    HIVE_RUN_AS=dev \
    HIVE_HOST=0.0.0.0
COPY deploy/container/hive.env /etc/hiveweb/hive.env
COPY deploy/container/gitconfig /etc/gitconfig

EXPOSE 8765
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD curl -fsS -o /dev/null "http://127.0.0.1:${HIVE_PORT:-8765}/healthz"
# Root, so that hiveweb can start each session as `dev`; nothing of a session runs as root.
ENTRYPOINT ["/usr/bin/tini", "--", "/app/deploy/container/run.sh"]
