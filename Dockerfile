# The image of `npm run image`, for those who build with docker or buildkit: the same program makes the same files in a stage,
# and they are copied as they are. `npm run image` needs neither and is what our tests run; this file they only compare with it,
# no engine runs here. Node is the one that package-lock.json pins, the C library is that of the stage.
FROM node:24-bookworm-slim AS build
WORKDIR /src
COPY . .
RUN npm ci && npm run image

FROM scratch
COPY --from=build /src/dist/image/rootfs/ /
USER 65532:65532
WORKDIR /
ENV MALLOC_ARENA_MAX=1
ENTRYPOINT ["/usr/bin/node", "--expose-gc", "--max-semi-space-size=8", "--disallow-code-generation-from-strings", "/opt/countersign/dist/cli/main.mjs"]
CMD ["--help"]
LABEL org.opencontainers.image.title="countersign"
LABEL org.opencontainers.image.description="Short-lived pod certificates for AI-agent platforms, issued on evidence, and an MCP gateway that authorizes every call on them."
LABEL org.opencontainers.image.version="0.1.0"
LABEL org.opencontainers.image.licenses="Apache-2.0"
