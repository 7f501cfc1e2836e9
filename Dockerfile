# The operator on an empty root. `docker build .` compiles it; where a static binary is at hand, replace
# the stage `dist` by its folder: --build-context dist=FOLDER.
ARG BUILDER=docker.io/library/rust:1.95-bookworm

FROM ${BUILDER} AS build
RUN apt-get update && apt-get install -y --no-install-recommends make musl-tools perl && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN target="$(uname -m)-unknown-linux-musl" \
 && rustup target add "$target" \
 && cargo build --release --locked --package operator --target "$target" \
 && install -D "target/$target/release/coturn-cert-operator" /dist/coturn-cert-operator

FROM scratch AS dist
COPY --from=build /dist/coturn-cert-operator /coturn-cert-operator

FROM scratch AS runtime
COPY --from=dist /coturn-cert-operator /coturn-cert-operator
USER 65532:65532
ENTRYPOINT ["/coturn-cert-operator"]
