import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requirement } from '../../requirements.ts'
import { basicOf } from '../../../src/policy/oci/docker-config.ts'

const auth = Buffer.from('robot:s3cret:x').toString('base64')
const wanted = `Basic ${auth}`

const fileOf = (auths: unknown): string => JSON.stringify({ auths })

test('the entry of a registry is found by its host, however tools write it', () => {
  const names = ['registry.example', 'Registry.example/', 'https://registry.example/v2/']
  for (const name of names) {
    const file = fileOf({ 'other.example': { auth: 'eDp5' }, [name]: { auth } })
    assert.equal(basicOf(file, 'registry.example'), wanted, name)
  }
  const parts = { username: 'robot', password: 's3cret:x' }
  assert.equal(basicOf(fileOf({ 'r.example:5000': parts }), 'r.example:5000'), wanted)
  const hub = fileOf({ 'https://index.docker.io/v1/': { auth, ...parts } })
  assert.equal(basicOf(hub, 'registry-1.docker.io'), wanted)
})

const faults: Readonly<Record<string, readonly [text: string, message: RegExp]>> = {
  'another host': [fileOf({ example: { auth } }), /want=one entry .* got=0$/],
  'another port': [fileOf({ 'registry.example:5000': { auth } }), /got=0$/],
  'a repository': [fileOf({ 'registry.example/team': { auth } }), /got=0$/],
  'no TLS': [fileOf({ 'http://registry.example': { auth } }), /got=0$/],
  'two entries': [
    fileOf({ 'registry.example': { auth }, 'https://registry.example': { auth } }),
    /got=2$/,
  ],
  'no colon': [fileOf({ 'registry.example': { auth: 'cm9ib3Q=' } }), /want=auth, or username/],
  'a token': [fileOf({ 'registry.example': { identitytoken: 's3cret' } }), /no helper or token$/],
  nothing: [fileOf({ 'registry.example': null }), /no helper or token$/],
  'no auths': ['{"credsStore":"s3cret"}', /want=a JSON object with auths$/],
  'no JSON': ['s3cret', /want=a JSON object with auths$/],
}
for (const [what, [text, message]] of Object.entries(faults)) {
  test(`a file with ${what} for the registry is an error that shows nothing of it`, () => {
    requirement('policy.registry-credentials-stay')
    assert.throws(
      () => basicOf(text, 'registry.example'),
      (error: Error) => {
        assert.match(error.message, message)
        assert.equal(error.message.includes('s3cret'), false)
        return true
      },
    )
  })
}
