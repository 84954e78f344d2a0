// Only these files are imported, because the front page of the package also loads default metrics, a push gateway and more: 10 MB
// of memory. Their types are those of the front page.

declare module 'prom-client/lib/registry.js' {
  import { Registry } from 'prom-client'
  export default Registry
}

declare module 'prom-client/lib/cluster.js' {
  import { AggregatorRegistry } from 'prom-client'
  export default AggregatorRegistry
}

declare module 'prom-client/lib/counter.js' {
  import { Counter } from 'prom-client'
  export default Counter
}

declare module 'prom-client/lib/gauge.js' {
  import { Gauge } from 'prom-client'
  export default Gauge
}

declare module 'prom-client/lib/histogram.js' {
  import { Histogram } from 'prom-client'
  export default Histogram
}

declare module 'prom-client/lib/metrics/eventLoopLag.js' {
  import type { Registry } from 'prom-client'
  const collect: (registry: Registry, config: { eventLoopMonitoringPrecision: number }) => void
  export default collect
}

declare module 'prom-client/lib/metrics/gc.js' {
  import type { Registry } from 'prom-client'
  const collect: (registry: Registry, config: { eventLoopMonitoringPrecision: number }) => void
  export default collect
}

declare module 'prom-client/lib/metrics/heapSizeAndUsed.js' {
  import type { Registry } from 'prom-client'
  const collect: (registry: Registry, config: { eventLoopMonitoringPrecision: number }) => void
  export default collect
}

declare module 'prom-client/lib/metrics/osMemoryHeap.js' {
  import type { Registry } from 'prom-client'
  const collect: (registry: Registry, config: { eventLoopMonitoringPrecision: number }) => void
  export default collect
}

declare module 'prom-client/lib/metrics/processCpuTotal.js' {
  import type { Registry } from 'prom-client'
  const collect: (registry: Registry, config: { eventLoopMonitoringPrecision: number }) => void
  export default collect
}

declare module 'prom-client/lib/metrics/processMaxFileDescriptors.js' {
  import type { Registry } from 'prom-client'
  const collect: (registry: Registry, config: { eventLoopMonitoringPrecision: number }) => void
  export default collect
}

declare module 'prom-client/lib/metrics/processOpenFileDescriptors.js' {
  import type { Registry } from 'prom-client'
  const collect: (registry: Registry, config: { eventLoopMonitoringPrecision: number }) => void
  export default collect
}

declare module 'prom-client/lib/metrics/processStartTime.js' {
  import type { Registry } from 'prom-client'
  const collect: (registry: Registry, config: { eventLoopMonitoringPrecision: number }) => void
  export default collect
}
