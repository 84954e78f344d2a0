import { requirement } from '../requirements.ts'
import { issuedSuite } from '../support/issued-suite.ts'
import { startRealCluster } from '../support/real-cluster.ts'

requirement('issued.as-declared')
issuedSuite('IssuedCertificates of two clusters, on two real kube-apiservers', () =>
  startRealCluster({ serverOnly: true }),
)
