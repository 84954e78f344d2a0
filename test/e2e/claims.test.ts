import { startEmbeddedCluster } from '../../dev/embedded-cluster.ts'
import { claimSuite } from '../support/claim-suite.ts'

claimSuite('pods that are given to claims, on the embedded control plane', (folder) =>
  startEmbeddedCluster({ folder, nodeNames: [] }),
)
