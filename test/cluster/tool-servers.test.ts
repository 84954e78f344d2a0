import { toolServerSuite } from '../support/tool-server-suite.ts'
import { startRealCluster } from '../support/real-cluster.ts'

toolServerSuite(
  'tool servers that are resources, on a real kube-apiserver',
  () => startRealCluster({}),
  // Which of them tells of it is nobody's concern.
  { workers: 2 },
)
