import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { createPoster, type UploadTarget } from '../../../src/policy/upload/post.ts'
import { createAuthority } from '../../support/cluster-credentials.ts'
import { requirement } from '../../requirements.ts'
import { openFolder } from './folder.ts'

const body = Buffer.from('packed')
const never = new AbortController().signal

test('nothing is sent to a receiver of another authority, and connections are kept as long as their files', async () => {
  requirement('policy.upload-credentials-stay')
  await using place = await openFolder()
  const [authority, other] = await Promise.all([createAuthority('ours'), createAuthority('other')])
  const serving = await authority.issueServer([{ type: 'ip', value: '127.0.0.1' }])
  const pathOf = (name: string): string => join(place.folder, name)
  await writeFile(pathOf('ca'), authority.certificatePem)
  await writeFile(pathOf('other'), other.certificatePem)
  await writeFile(pathOf('token'), 'secret-token')
  let sockets = 0
  let chunks = 0
  const tls = { cert: serving.certificatePem, key: serving.privateKeyPem }
  const server = createServer(tls, (request, response) => {
    chunks += 1
    request.resume().on('end', () => response.writeHead(204).end())
  })
  server.on('secureConnection', () => (sockets += 1))
  await using serve = new AsyncDisposableStack()
  serve.defer(() => {
    server.close()
    server.closeAllConnections()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  const credentials = { bearer: { tokenPath: pathOf('token') } }
  const target = { url, resource: 'logs', responseHeaderTimeoutSeconds: 10, credentials }
  const foreign = /^receiver cannot be reached, got=(?:SELF_SIGNED|UNABLE_TO_VERIFY)/
  const refused: readonly (readonly [Partial<UploadTarget>, RegExp])[] = [
    [{}, foreign],
    [{ tls: { caCert: pathOf('other') } }, foreign],
    [{ url: url.replace('https:', 'http:') }, /^receiver cannot be reached, got=/],
  ]
  for (const [more, message] of refused) {
    using poster = createPoster({ ...target, ...more })
    await assert.rejects(poster.post(body, never), { code: 'policy/upload', message })
  }
  assert.equal(chunks, 0)
  sockets = 0
  using poster = createPoster({ ...target, tls: { caCert: pathOf('ca') } })
  await poster.post(body, never)
  await poster.post(body, never)
  assert.deepEqual([chunks, sockets], [2, 1])
  await writeFile(pathOf('ca'), `${other.certificatePem}${authority.certificatePem}`)
  await poster.post(body, never)
  assert.deepEqual([chunks, sockets], [3, 2])
  await writeFile(pathOf('ca'), other.certificatePem)
  await assert.rejects(poster.post(body, never), { message: foreign })
})
