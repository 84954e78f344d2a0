import { mayActForSigner } from '../attributes.ts'
import { parseCertificate, type Certificate } from '../certificate.ts'
import { parseCertificateRequest, parsePublicKey } from '../certificate-request.ts'
import { validateCondition } from '../condition.ts'
import {
  forbidden,
  invalid,
  notSupported,
  omitted,
  required,
  tooLong,
  type FieldError,
} from '../field-error.ts'
import { objectAt, objectsAt, semanticallyEqual, textAt, type JsonObject } from '../json-object.ts'
import { parseTime, type KubeObject } from '../kube-object.ts'
import { parsePem } from '../../pem.ts'
import type { WriteContext } from '../resource-type.ts'

const terminalTypes = ['Issued', 'Denied', 'Failed']
const chainBytesMax = 102_400
const skewMilliseconds = 5 * 60_000
const lifetimeMillisecondsMin = 3_600_000
const refreshMarginMilliseconds = 10 * 60_000

/**
 * The rules of a status update, in the API server's order: conditions, immutability, the issued
 * certificate, and last, only when something really changes, the right to sign.
 */
export function validateStatusUpdate(
  next: KubeObject,
  previous: KubeObject,
  context: WriteContext,
): readonly FieldError[] {
  const status = objectAt(next, 'status')
  const before = objectAt(previous, 'status')
  const errors = validateConditions(status)
  if (errors.length > 0) return errors
  const broken = validateTransition(status, before, { spec: objectAt(previous, 'spec'), context })
  if (broken.length > 0 || sameStatus(status, before)) return broken
  return validateRightToSign(previous, context)
}

function terminalTypeOf(status: JsonObject): string | undefined {
  const condition = objectsAt(status, 'conditions').find(
    (item) => terminalTypes.includes(textAt(item, 'type')) && item['status'] === 'True',
  )
  return condition === undefined ? undefined : textAt(condition, 'type')
}

function validateConditions(status: JsonObject): readonly FieldError[] {
  const conditions = objectsAt(status, 'conditions')
  let known = 0
  const errors = conditions.flatMap((condition, index): readonly FieldError[] => {
    const field = `status.conditions.[${index}]`
    const type = textAt(condition, 'type')
    if (!terminalTypes.includes(type)) return [notSupported(`${field}.type`, type, terminalTypes)]
    known += 1
    const rule = 'there may be at most one condition of type Issued, Denied or Failed'
    return [
      ...(known > 1 ? [invalid(`${field}.type`, type, rule)] : []),
      ...(condition['status'] === 'True'
        ? []
        : [notSupported(`${field}.status`, textAt(condition, 'status'), ['True'])]),
    ]
  })
  const common = conditions.flatMap((condition, index) =>
    validateCondition(condition, `status.conditions[${index}]`),
  )
  return [...errors, ...common]
}

function validateTransition(
  status: JsonObject,
  before: JsonObject,
  stored: { readonly spec: JsonObject; readonly context: WriteContext },
): readonly FieldError[] {
  if (terminalTypeOf(before) !== undefined) {
    const rule = 'immutable after PodCertificateRequest is issued, denied, or failed'
    return sameStatus(status, before) ? [] : [invalid('status', omitted, rule)]
  }
  const type = terminalTypeOf(status)
  if (type === 'Issued') return validateIssued(status, stored)
  if (type !== undefined) {
    const bare = { conditions: status['conditions'] }
    const rule = 'everything but the conditions must be empty when a request is denied or failed'
    return sameStatus(status, bare) ? [] : [invalid('status', omitted, rule)]
  }
  const rule = 'status is immutable unless it turns Issued, Denied or Failed'
  return sameStatus(status, before) ? [] : [invalid('status', omitted, rule)]
}

/** Equal as values: times as instants, and nothing in whatever form as nothing. */
function sameStatus(left: JsonObject, right: JsonObject): boolean {
  return semanticallyEqual(comparable(left), comparable(right))
}

function comparable(status: JsonObject): JsonObject {
  const instant = (member: string): number | undefined => parseTime(textAt(status, member))
  return {
    certificateChain: status['certificateChain'],
    notBefore: instant('notBefore'),
    beginRefreshAt: instant('beginRefreshAt'),
    notAfter: instant('notAfter'),
    conditions: objectsAt(status, 'conditions').map((condition) => ({
      ...condition,
      lastTransitionTime: parseTime(textAt(condition, 'lastTransitionTime')),
    })),
  }
}

const chainField = 'status.certificateChain'

function validateIssued(
  status: JsonObject,
  stored: { readonly spec: JsonObject; readonly context: WriteContext },
): readonly FieldError[] {
  const chain = textAt(status, 'certificateChain')
  if (Buffer.byteLength(chain) > chainBytesMax) return [tooLong(chainField, chainBytesMax)]
  const [leafBlock, ...others] = parsePem(chain)
  if (leafBlock === undefined) {
    return [invalid(chainField, chain, 'must contain at least one certificate')]
  }
  const onlyCertificates = 'must consist of CERTIFICATE PEM blocks alone'
  if (leafBlock.type !== 'CERTIFICATE') return [invalid(chainField, chain, onlyCertificates)]
  const leaf = parseCertificate(leafBlock.der)
  if (leaf === undefined) return [invalid(chainField, chain, 'the leaf does not parse as X.509')]
  const errors = [...validateNames(leaf), ...validateLeafKey(leaf, stored.spec, chain)]
  if (errors.length > 0) return errors
  const timeErrors = validateTimes(status, leaf, stored)
  if (timeErrors.length > 0) return timeErrors
  // Neither their order nor their signatures are looked at.
  for (const block of others) {
    if (block.type !== 'CERTIFICATE') return [invalid(chainField, chain, onlyCertificates)]
    if (parseCertificate(block.der) === undefined) {
      return [invalid(chainField, chain, 'an intermediate certificate does not parse as X.509')]
    }
  }
  return []
}

function validateNames(leaf: Certificate): readonly FieldError[] {
  const dnsRules: readonly (readonly [string, (name: string) => boolean])[] = [
    ['a DNS name of the leaf must not be empty', (name) => name === ''],
    ["a DNS name of the leaf must not contain '..'", (name) => name.includes('..')],
    ["a DNS name of the leaf must not begin or end with '.'", (name) => /^\.|\.$/.test(name)],
  ]
  return [
    ...leaf.dnsNames.flatMap((name) =>
      dnsRules
        .filter(([, broken]) => broken(name))
        .map(([rule]) => invalid(chainField, name, rule)),
    ),
    ...leaf.emailAddresses
      .filter((address) => !/^[^\s@<>]+@[^\s@<>]+$/.test(address))
      .map((address) => invalid(chainField, address, 'an e-mail address of the leaf must parse')),
  ]
}

function validateLeafKey(
  leaf: Certificate,
  spec: JsonObject,
  chain: string,
): readonly FieldError[] {
  const request = Buffer.from(textAt(spec, 'stubPKCS10Request'), 'base64')
  const requested =
    request.length > 0
      ? parseCertificateRequest(request)?.publicKey
      : parsePublicKey(Buffer.from(textAt(spec, 'pkixPublicKey'), 'base64'))
  if (requested?.equals(leaf.publicKey) === true) return []
  return [invalid(chainField, chain, 'the leaf was not issued to the requested public key')]
}

function validateTimes(
  status: JsonObject,
  leaf: Certificate,
  stored: { readonly spec: JsonObject; readonly context: WriteContext },
): readonly FieldError[] {
  const times = {
    notBefore: parseTime(textAt(status, 'notBefore')),
    notAfter: parseTime(textAt(status, 'notAfter')),
    beginRefreshAt: parseTime(textAt(status, 'beginRefreshAt')),
  }
  const missing = Object.entries(times).filter(([, time]) => time === undefined)
  if (missing.length > 0) {
    return missing.map(([member]) => required(`status.${member}`, 'must be present'))
  }
  const { notBefore = 0, notAfter = 0, beginRefreshAt = 0 } = times
  const shown = (member: string): unknown => status[member]
  const lifetime = leaf.notAfter - leaf.notBefore
  const secondsMax = Number(stored.spec['maxExpirationSeconds'])
  // In the API server's order, which stops at the first rule that is broken.
  const rules: readonly (readonly [boolean, string, string])[] = [
    [notBefore === leaf.notBefore, 'notBefore', 'must be the notBefore of the leaf'],
    [
      Math.abs(notBefore - stored.context.now()) < skewMilliseconds,
      'notBefore',
      "must be set to within 5 minutes of kube-apiserver's current time",
    ],
    [notAfter === leaf.notAfter, 'notAfter', 'must be the notAfter of the leaf'],
    [lifetime >= lifetimeMillisecondsMin, 'certificateChain', 'leaf lifetime must be >= 1 hour'],
    [
      lifetime <= secondsMax * 1000,
      'certificateChain',
      `leaf lifetime must be <= spec.maxExpirationSeconds (${secondsMax})`,
    ],
    [
      beginRefreshAt >= notBefore + refreshMarginMilliseconds,
      'beginRefreshAt',
      'must be at least 10 minutes after status.notBefore',
    ],
    [
      beginRefreshAt <= notAfter - refreshMarginMilliseconds,
      'beginRefreshAt',
      'must be at least 10 minutes before status.notAfter',
    ],
  ]
  const broken = rules.find(([kept]) => !kept)
  if (broken === undefined) return []
  const [, member, rule] = broken
  const value = member === 'certificateChain' ? lifetime / 1000 : shown(member)
  return [invalid(`status.${member}`, value, rule)]
}

function validateRightToSign(stored: KubeObject, context: WriteContext): readonly FieldError[] {
  const signerName = textAt(stored.spec, 'signerName')
  const { user, authorize } = context
  if (mayActForSigner({ authorize, user, verb: 'sign', signerName })) return []
  const who = JSON.stringify(user.name)
  const message = `User ${who} is not permitted to "sign" for signer ${JSON.stringify(signerName)}`
  return [forbidden('spec.signerName', message)]
}
