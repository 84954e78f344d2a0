import { claimSuite } from '../support/claim-suite.ts'
import { startRealCluster } from '../support/real-cluster.ts'

claimSuite('pods that are given to claims, on a real kube-apiserver', () => startRealCluster({}))
