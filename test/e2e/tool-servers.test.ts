import { startEmbeddedCluster } from '../../dev/embedded-cluster.ts'
import { toolServerSuite } from '../support/tool-server-suite.ts'

toolServerSuite(
  'tool servers that are resources, on the embedded control plane',
  (folder) => startEmbeddedCluster({ folder, nodeNames: [] }),
  { workers: 1 },
)
