import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CountersignError } from '../../../src/errors.ts'
import { imageIn, parseIndex, parseManifest } from '../../../src/policy/oci/manifest.ts'
import { requirement } from '../../requirements.ts'
import {
  descriptorOf,
  imageOf,
  indexOf,
  indexType,
  layerType,
  manifestType,
  type Image,
} from './image.ts'

const archive = Buffer.from('some archive')
const layer = descriptorOf(archive, layerType)

function manifestOf(others: object): Buffer {
  return imageOf(archive, others).manifest
}

test('the bundle is the one layer that OPA would take for it', () => {
  const other = descriptorOf(Buffer.from('scan'), 'application/json')
  const { manifest, layer: digest } = imageOf(archive, { layers: [other, layer] })
  assert.deepEqual(parseManifest(manifest), {
    mediaType: layerType,
    digest,
    size: archive.length,
    annotations: {},
  })
  assert.equal(parseManifest(manifestOf({ mediaType: undefined })).digest, digest)
})

test('a manifest that two readers could read in two ways is none', () => {
  requirement('policy.bundle-by-digest')
  const second = descriptorOf(Buffer.from('another'), layerType)
  const text = manifestOf({}).toString()
  const cases: readonly (readonly [Buffer, RegExp])[] = [
    [Buffer.from('{'), /^manifest is not JSON$/],
    [Buffer.from([0x22, 0xff, 0x22]), /^manifest is not JSON$/],
    [Buffer.from('[]'), /^manifest is not a JSON object$/],
    [Buffer.from(text.replace('{', '{"layers":[],')), /^manifest may be read in two ways/],
    [manifestOf({ schemaVersion: 1 }), /none of an image/],
    [
      manifestOf({ mediaType: 'application/vnd.oci.image.index.v1+json' }),
      /none of an image, .* got=application\/vnd\.oci\.image\.index\.v1\+json$/,
    ],
    [manifestOf({ manifests: [] }), /^manifest has manifests, too$/],
    [manifestOf({ layers: [layer, second] }), /^manifest has 2 layers, want=one of /],
    [manifestOf({ layers: [] }), /^manifest has 0 layers, want=one of /],
    [manifestOf({ layers: undefined }), /are no list/],
    [manifestOf({ layers: Array.from({ length: 65 }, () => layer) }), /are no list, want=..64/],
    [manifestOf({ layers: [null] }), /no descriptor/],
    [manifestOf({ layers: [{ ...layer, mediaType: 1 }] }), /without a type/],
    [manifestOf({ layers: [{ ...layer, annotations: 1 }] }), /without a type/],
    [manifestOf({ layers: [{ ...layer, digest: `sha512:${'0'.repeat(128)}` }] }), /another digest/],
    [manifestOf({ layers: [{ ...layer, digest: 'sha256:../../x' }] }), /another digest/],
    [manifestOf({ layers: [{ ...layer, size: -1 }] }), /without a size/],
    [manifestOf({ layers: [{ ...layer, size: '12' }] }), /without a size/],
    [manifestOf({ layers: [{ ...layer, size: 17 * 1024 * 1024 }] }), /^layer is too large/],
  ]
  for (const [octets, message] of cases) {
    assert.throws(() => parseManifest(octets), { code: 'policy/bundle', message })
  }
})

test('what a manifest has in the place of a type, a digest or a size is in no error', () => {
  requirement('policy.registry-credentials-stay')
  const token = 's3cr3tTOKEN'
  const faulty: readonly (readonly [Buffer, RegExp])[] = [
    [Buffer.from(token), /^manifest is not JSON$/],
    [Buffer.from(`{"${token}":1,"${token}":2}`), /^manifest may be read in two ways/],
    [manifestOf({ mediaType: token }), /got=another type$/],
    [manifestOf({ layers: [{ ...layer, mediaType: token }] }), /^manifest has 0 layers/],
    [manifestOf({ layers: [{ ...layer, digest: token }] }), /another digest/],
    [manifestOf({ layers: [{ ...layer, size: token }] }), /without a size/],
  ]
  for (const [octets, message] of faulty) {
    assert.throws(
      () => parseManifest(octets),
      (error: unknown) => {
        assert.ok(error instanceof CountersignError)
        assert.match(error.message, message)
        assert.equal(error.cause, undefined)
        return !error.message.includes(token)
      },
    )
  }
})

test('an index has descriptors, or is none', () => {
  const manifests = [descriptorOf(archive, manifestType)]
  assert.equal(parseIndex(Buffer.from(JSON.stringify({ manifests }))).length, 1)
  assert.throws(() => parseIndex(Buffer.from('{}')), { message: /^manifests of the index are no/ })
})

test('an index has one image beside its attestations, and is no image itself', () => {
  requirement('policy.bundle-by-digest')
  const [one, two] = [imageOf(archive), imageOf(Buffer.from('another'))]
  assert.equal(imageIn(indexOf([one]).manifest)?.digest, one.digest)
  assert.equal(imageIn(one.manifest), undefined)
  const [first, attestation] = [descriptorOf(one.manifest, manifestType), { annotations: 1 }]
  const cases: readonly (readonly [Image, RegExp])[] = [
    [indexOf([]), /^index has 0 images, want=one$/],
    [indexOf([one, two]), /^index has 2 images, want=one$/],
    [indexOf([one, one]), /^index has 2 images, want=one$/],
    [indexOf([one], { layers: [] }), /^index has layers, too$/],
    [indexOf([one], { schemaVersion: 1 }), /^index has 1 images, want=one$/],
    [indexOf([one], { manifests: undefined }), /are no list/],
    [indexOf([one], { manifests: [{ ...first, ...attestation }] }), /without a type/],
    [
      indexOf([one], { manifests: [{ ...first, mediaType: indexType }] }),
      /^index has 0 images, want=one$/,
    ],
  ]
  for (const [{ manifest }, message] of cases) {
    assert.throws(() => imageIn(manifest), { code: 'policy/bundle', message })
  }
})
