# Two images: `service`, the four programs and the migrations (docker-compose.yml says which one a container runs), and
# `proxy`, the one address in front of any number of ingest containers. What changes least comes first, for the cache.

FROM debian:bookworm-slim AS proxy
RUN apt-get update -q && apt-get install -y -q --no-install-recommends haproxy \
 && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/*
COPY deploy/compose/haproxy.cfg /etc/haproxy/haproxy.cfg
COPY bin/healthcheck.sh /app/bin/
WORKDIR /app
USER haproxy
EXPOSE 8080
CMD ["haproxy", "-db", "-f", "/etc/haproxy/haproxy.cfg"]

FROM debian:bookworm-slim AS build
WORKDIR /src
COPY bin/install-deps.sh bin/
# psql alone goes on to the service: its package brings perl, which is half the size of everything else.
RUN bin/install-deps.sh build && apt-get install -y -q --no-install-recommends postgresql-client-15
COPY Makefile LICENSE ./
COPY bin/lib/embed.sh bin/lib/
COPY redis redis
COPY shared shared
COPY ingest ingest
COPY dispatcher dispatcher
COPY persister persister
ARG VERSION=container
RUN make -j"$(nproc)" VERSION="$VERSION" build && strip build/ingest build/dispatcher build/persister build/mock-provider

FROM debian:bookworm-slim AS service
RUN apt-get update -q \
 && apt-get install -y -q --no-install-recommends \
      libmicrohttpd12 libhiredis0.14 libcjson1 libpq5 libuv1 libcurl4 libinih1 libutf8proc2 libidn2-0 libssl3 \
      libreadline8 \
      ca-certificates \
 && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* \
 && useradd --system --no-create-home --home-dir /app messaging
WORKDIR /app
COPY shared/default.toml shared/
COPY bin/healthcheck.sh bin/migrate.sh bin/
COPY bin/lib/common.sh bin/lib/
COPY migrations migrations
COPY --from=build /usr/lib/postgresql/15/bin/psql /usr/local/bin/
COPY --from=build /src/build/ingest /src/build/dispatcher /src/build/persister /src/build/mock-provider /usr/local/bin/
USER messaging
CMD ["ingest"]
