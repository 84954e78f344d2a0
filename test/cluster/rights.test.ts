import { rightsSuite } from '../support/rights-suite.ts'
import { startRealCluster } from '../support/real-cluster.ts'

rightsSuite('the rights of the chart on a real kube-apiserver', () => startRealCluster({}))
