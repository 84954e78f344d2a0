import { requirement } from '../requirements.ts'
import { requesterSuite } from '../support/requester-suite.ts'
import { startRealCluster } from '../support/real-cluster.ts'

requirement('signer.requester-shown-by-policy')
requesterSuite('who made a request, on a real kube-apiserver', () => startRealCluster({}))
