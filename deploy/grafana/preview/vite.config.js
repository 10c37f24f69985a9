// Prometheus is asked through this server, as Grafana would ask it for the page.
const proxy = { "/api": { target: process.env.PROMETHEUS_URL ?? "http://127.0.0.1:9090" } };

export default {
  base: "./",
  esbuild: { jsx: "automatic" },
  build: { chunkSizeWarningLimit: 8000, rollupOptions: { onwarn: () => {} } },
  preview: { host: "127.0.0.1", strictPort: true, proxy },
};
