import { after } from 'node:test'
import { startRealCluster } from '../support/real-cluster.ts'
import { runPods } from '../support/run-pods.ts'
import { storySuite } from '../support/story-suite.ts'

const stop = new AbortController()

after(() => stop.abort())

storySuite('the story on a real kube-apiserver, controller manager and kubelet', async (runner) => {
  const cluster = await startRealCluster({})
  runPods(cluster, runner, stop.signal)
  return cluster
})
