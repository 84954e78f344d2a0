import { startEmbeddedCluster } from '../../dev/embedded-cluster.ts'
import { requirement } from '../requirements.ts'
import { rightsSuite } from '../support/rights-suite.ts'

rightsSuite('the rights of the chart on the embedded control plane', (folder) => {
  requirement('chart.missing-right-named')
  return startEmbeddedCluster({ folder, runContainer: () => Promise.resolve(undefined) })
})
