import { claimSuite } from '../support/claim-suite.ts'
import { startRealCluster } from '../support/real-cluster.ts'

// The owners that a garbage collector would take away are looked at, and not what it does with what they own.
claimSuite('pods that are given to claims, on a real kube-apiserver', () =>
  startRealCluster({ serverOnly: true }),
)
