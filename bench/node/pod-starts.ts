/**
 * Runs inside of the node: starts pods one after the other, with a certificate and without in turn, and says a line of JSON for each.
 *   node pod-starts.ts KUBECONFIG COUNT
 */
import { setTimeout as delay } from 'node:timers/promises'
import { pauseImage } from '../../test/node/rig/node.ts'
import { identityVolume } from '../../test/node/stage/cast.ts'
import { createPlainClient } from '../../test/support/plain-client.ts'

const [kubeconfig = '', count = '100'] = process.argv.slice(2)
const api = await createPlainClient(kubeconfig)
const pods = '/api/v1/namespaces/acme/pods'

function pod(name: string, certified: boolean): object {
  const mounted = { name: 'identity', mountPath: '/var/run/countersign', readOnly: true }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      serviceAccountName: 'researcher',
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 1,
      securityContext: { runAsNonRoot: true, runAsUser: 65532 },
      containers: [
        {
          name: 'main',
          image: pauseImage,
          imagePullPolicy: 'Never',
          volumeMounts: certified ? [mounted] : [],
        },
      ],
      volumes: certified ? [identityVolume()] : [],
    },
  }
}

async function isReady(name: string): Promise<boolean> {
  const { body } = await api({ path: `${pods}/${name}` })
  const conditions: readonly { type: string; status: string }[] = body.status.conditions ?? []
  return conditions.some(({ type, status }) => type === 'Ready' && status === 'True')
}

/** From just before it is created until it is Ready, seen every ten milliseconds. */
async function start(name: string, certified: boolean): Promise<number> {
  const begun = performance.now()
  const { status, body } = await api({ method: 'POST', path: pods, body: pod(name, certified) })
  if (status !== 201) throw new Error(JSON.stringify(body))
  while (!(await isReady(name))) await delay(10)
  const milliseconds = performance.now() - begun
  await api({ method: 'DELETE', path: `${pods}/${name}` })
  while ((await api({ path: `${pods}/${name}` })).status !== 404) await delay(50)
  return milliseconds
}

for (let number = 0; number < Number(count); number++) {
  for (const certified of [true, false]) {
    const milliseconds = await start(`start-${number}-${certified}`, certified)
    process.stdout.write(`${JSON.stringify({ certified, milliseconds })}\n`)
  }
}
