import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkReceiver } from '../../../src/cli/check/check-receiver.ts'
import { createAuthority } from '../../support/cluster-credentials.ts'
import { openFolder } from './folder.ts'

const signal = new AbortController().signal
const reporting = { minDelaySeconds: 1, maxDelaySeconds: 1, uploadSizeLimitBytes: 32_768 }
const rest = { resource: 'logs', responseHeaderTimeoutSeconds: 10, reporting }

test('a receiver that can be verified is reached, and nothing is sent to it', async () => {
  await using place = await openFolder()
  const [authority, other] = await Promise.all([createAuthority('ours'), createAuthority('other')])
  const serving = await authority.issueServer([{ type: 'ip', value: '127.0.0.1' }])
  const pathOf = (name: string): string => join(place.folder, name)
  await writeFile(pathOf('ca'), authority.certificatePem)
  await writeFile(pathOf('other'), other.certificatePem)
  await writeFile(pathOf('token'), 'secret-token')
  let octets = 0
  const tls = { cert: serving.certificatePem, key: serving.privateKeyPem }
  const server = createTlsServer(tls, (socket) => {
    socket.on('error', () => {}).on('data', (data: Buffer) => (octets += data.length))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  await using serve = new AsyncDisposableStack()
  serve.defer(() => void server.close())
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  const credentials = { bearer: { tokenPath: pathOf('token') } }
  const trusting = { ...rest, url, credentials, tls: { caCert: pathOf('ca') } }
  const good = await checkReceiver(trusting, signal)
  assert.equal(good.status, 'ok')
  const foreign = await checkReceiver({ ...trusting, tls: { caCert: pathOf('other') } }, signal)
  assert.equal(foreign.status, 'problem')
  assert.match(foreign.summary, /^receiver cannot be reached, got=(?:SELF_SIGNED|UNABLE_TO_VERIFY)/)
  const missing = { bearer: { tokenPath: pathOf('none') } }
  const unread = await checkReceiver({ ...trusting, credentials: missing }, signal)
  assert.match(unread.summary, /file of the service cannot be read/)
  await writeFile(pathOf('token'), 'no token at all')
  const odd = await checkReceiver(trusting, signal)
  assert.match(odd.summary, /bearer token is no token/)
  assert.equal(octets, 0)
})

test('a receiver that is not there is a problem, with its address', async () => {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  assert.equal((await checkReceiver({ ...rest, url }, signal)).status, 'ok')
  await new Promise((resolve) => server.close(resolve))
  const gone = await checkReceiver({ ...rest, url }, signal)
  assert.equal(gone.summary, 'receiver cannot be reached, got=ECONNREFUSED')
  assert.deepEqual(gone.evidence, [`decisionLog.upload.url: ${url}`])
})
