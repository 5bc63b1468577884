# The four programs and the migrations in one image; docker-compose.yml says which one a container runs.

FROM debian:12-slim AS build
WORKDIR /src
COPY bin/install-deps.sh bin/
RUN bin/install-deps.sh build
COPY . .
ARG VERSION=container
RUN make -j"$(nproc)" VERSION="$VERSION" build

FROM debian:12-slim
RUN apt-get update -q \
 && apt-get install -y -q --no-install-recommends \
      libmicrohttpd12 libhiredis0.14 libcjson1 libpq5 libuv1 libcurl4 libinih1 libutf8proc2 libssl3 \
      ca-certificates curl postgresql-client redis-tools \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --no-create-home --home-dir /app messaging
WORKDIR /app
COPY --from=build /src/build/ingest /src/build/dispatcher /src/build/persister /src/build/mock-provider /usr/local/bin/
COPY shared/default.toml shared/
COPY bin/migrate.sh bin/lib.sh bin/
COPY migrations migrations
USER messaging
EXPOSE 8080
CMD ["ingest"]
