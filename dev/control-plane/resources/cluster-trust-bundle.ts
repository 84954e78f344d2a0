import { parseCertificate } from '../certificate.ts'
import { invalid, omitted, tooLong, type FieldError } from '../field-error.ts'
import { textAt } from '../json-object.ts'
import type { KubeObject } from '../kube-object.ts'
import { checkSubdomain, validateSignerName, type NameRule } from '../names.ts'
import { parsePem, type PemBlock } from '../../pem.ts'
import type { ResourceType } from '../resource-type.ts'

const bundleBytesMax = 1024 * 1024
const field = 'spec.trustBundle'

/** A signer's bundles are named after it, `example.com:signer:<name>`; others have no colon. */
function nameRule(object: KubeObject): NameRule {
  const signerName = textAt(object.spec, 'signerName')
  const prefix = signerName === '' ? '' : `${signerName.replaceAll('/', ':')}:`
  return (name) => {
    if (prefix !== '' && !name.startsWith(prefix)) {
      return [`a bundle of signer ${signerName} must have a name that begins with ${prefix}`]
    }
    if (prefix === '' && name.includes(':')) {
      return ['a bundle without a signer must have no ":" in its name']
    }
    return checkSubdomain(name.slice(prefix.length))
  }
}

function validateSigner(object: KubeObject): readonly FieldError[] {
  const signerName = textAt(object.spec, 'signerName')
  return signerName === '' ? [] : validateSignerName('spec.signerName', signerName)
}

function validateBundle(bundle: string): readonly FieldError[] {
  if (Buffer.byteLength(bundle) > bundleBytesMax) return [tooLong(field, bundleBytesMax)]
  const blocks = parsePem(bundle)
  const errors = blocks.flatMap((block, index) => {
    const rule = brokenRule(block)
    return rule === undefined ? [] : [invalid(field, omitted, `entry ${index} ${rule}`)]
  })
  // A malformed entry may be the cause of what comes next.
  if (errors.length > 0) return errors
  if (blocks.length === 0) {
    return [invalid(field, omitted, 'at least one trust anchor must be provided')]
  }
  const distinct = new Set(blocks.map(({ der }) => der.toString('base64')))
  if (distinct.size === blocks.length) return []
  return [invalid(field, omitted, 'the same trust anchor more than once')]
}

function brokenRule(block: PemBlock): string | undefined {
  if (block.type !== 'CERTIFICATE') return `has bad block type: ${block.type.slice(0, 40)}`
  if (block.hasHeaders) return 'has PEM block headers'
  const certificate = parseCertificate(block.der)
  if (certificate === undefined) return 'does not parse as X.509'
  return certificate.isCa ? undefined : 'does not have the CA bit set'
}

export const clusterTrustBundles: ResourceType = {
  group: 'certificates.k8s.io',
  versions: ['v1'],
  plural: 'clustertrustbundles',
  singular: 'clustertrustbundle',
  kind: 'ClusterTrustBundle',
  namespaced: false,
  nameRule,
  selectableFields: { 'spec.signerName': (object) => textAt(object.spec, 'signerName') },
  schema: () => ({
    type: 'object',
    properties: {
      spec: {
        type: 'object',
        properties: { signerName: { type: 'string' }, trustBundle: { type: 'string' } },
      },
    },
  }),
  validateCreate: (object) => [
    ...validateSigner(object),
    ...validateBundle(textAt(object.spec, 'trustBundle')),
  ],
  validateUpdate(next, previous) {
    const signerName = textAt(next.spec, 'signerName')
    const bundle = textAt(next.spec, 'trustBundle')
    const changed = bundle !== textAt(previous.spec, 'trustBundle')
    const moved = signerName !== textAt(previous.spec, 'signerName')
    return [
      ...validateSigner(next),
      ...(changed ? validateBundle(bundle) : []),
      ...(moved ? [invalid('spec.signerName', signerName, 'field is immutable')] : []),
    ]
  },
}
