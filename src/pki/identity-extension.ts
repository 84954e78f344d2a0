import { CountersignError, quoted } from '../errors.ts'
import { modelsMax, toolScopesMax } from '../identity/ceiling.ts'
import { isDnsLabel, isDnsSubdomain, isUid } from '../identity/kubernetes-name.ts'
import { parseModel } from '../identity/model.ts'
import type { Role } from '../identity/role.ts'
import { parseTenant } from '../identity/tenant.ts'
import { parseToolScope } from '../identity/tool-scope.ts'
import type { Named, WorkloadIdentity } from '../identity/workload-identity.ts'
import { readDer, tags } from './der-read.ts'
import type { DerReader } from './der-read.ts'
import type { DerWriter } from './der-write.ts'

/** What the extension says: all of the identity but the SPIFFE ID, which is the certificate's URI. */
export type Binding = Omit<WorkloadIdentity, 'spiffeId'>

/** The whole value; a ceiling that does not fit is refused, never cut. */
const identityExtensionOctetsMax = 4096

const roleTag = 0x80
const tenantTag = 0x81
const modelsTag = 0xa2
const toolScopesTag = 0xa3
const claimTag = 0xa4

/** ENUMERATED values of WorkloadBinding version 1, by their order from 1 on. */
const rolesByNumber: readonly Role[] = [
  'model-gateway',
  'tool-broker',
  'inference-worker',
  'agent',
  'tool-server',
]

/** Writes the value of the identity extension (WorkloadBinding, version 1) before what the writer holds already. Throws `pki/ceiling-too-large`. */
export function writeIdentityExtension(writer: DerWriter, identity: Binding): void {
  const { models, toolScopes } = identity.ceiling
  if (models.length > modelsMax || toolScopes.length > toolScopesMax) {
    throw tooLarge(`${models.length} models and ${toolScopes.length} tool scopes`)
  }
  const end = writer.mark()
  if (identity.claim !== undefined) writeNamed(writer, identity.claim, claimTag)
  if (toolScopes.length > 0) {
    const list = writer.mark()
    for (let at = toolScopes.length - 1; at >= 0; at--) {
      writer.ascii(tags.utf8String, toolScopes[at]?.text ?? '')
    }
    writer.wrap(toolScopesTag, list)
  }
  if (models.length > 0) {
    const list = writer.mark()
    for (let at = models.length - 1; at >= 0; at--) writer.ascii(tags.utf8String, models[at] ?? '')
    writer.wrap(modelsTag, list)
  }
  if (identity.tenant !== undefined) writer.ascii(tenantTag, identity.tenant)
  if (identity.role !== undefined) {
    const value = writer.mark()
    writer.octet(rolesByNumber.indexOf(identity.role) + 1)
    writer.wrap(roleTag, value)
  }
  writer.hexOctets(identity.policyDigest, 32)
  writer.hexOctets(identity.evidenceDigest, 32)
  writer.hexOctets(identity.issuanceId, 16)
  writeNamed(writer, identity.node)
  writeNamed(writer, identity.pod)
  writeNamed(writer, identity.serviceAccount)
  writeNamed(writer, identity.namespace)
  writer.ascii(tags.utf8String, identity.cluster)
  writer.octet(1)
  writer.octet(1)
  writer.octet(tags.integer)
  writer.wrap(tags.sequence, end)
  const octets = end - writer.mark()
  if (octets > identityExtensionOctetsMax) throw tooLarge(`${octets} octets`)
}

function writeNamed(writer: DerWriter, named: Named, tag: number = tags.sequence): void {
  const end = writer.mark()
  writer.ascii(tags.utf8String, named.uid)
  writer.ascii(tags.utf8String, named.name)
  writer.wrap(tag, end)
}

/** Reads the value of the identity extension; whatever is not exactly version 1 is refused. Throws `pki/identity-extension`. */
export function parseIdentityExtension(value: Uint8Array): Binding {
  return readDer(
    value,
    {
      code: 'pki/identity-extension',
      what: 'identity extension',
      octetsMax: identityExtensionOctetsMax,
    },
    (reader) => {
      const binding = reader.enter(tags.sequence, 'WorkloadBinding')
      const identity = readBinding(binding)
      binding.finish('WorkloadBinding')
      return identity
    },
  )
}

function readBinding(reader: DerReader): Binding {
  const version = reader.smallInteger(tags.integer, 'version')
  if (version !== 1) throw refused(`version is not known, want=1 got=${version}`)
  const cluster = readText(reader, 'cluster', isClusterName)
  const namespace = readNamed(reader, 'namespace', { isName: isDnsLabel })
  const serviceAccount = readNamed(reader, 'serviceAccount', { isName: isDnsSubdomain })
  const pod = readNamed(reader, 'pod', { isName: isDnsSubdomain })
  const node = readNamed(reader, 'node', { isName: isDnsSubdomain })
  const issuanceId = readDigest(reader, 'issuanceId', 16)
  const evidenceDigest = readDigest(reader, 'evidenceDigest', 32)
  const policyDigest = readDigest(reader, 'policyDigest', 32)
  const role = reader.nextTag === roleTag ? readRole(reader) : undefined
  const tenant =
    reader.nextTag === tenantTag ? parseTenant(reader.ascii(tenantTag, 'tenant')) : undefined
  const models = readList(reader, modelsTag, { what: 'models', membersMax: modelsMax })
  const toolScopes = readList(reader, toolScopesTag, {
    what: 'toolScopes',
    membersMax: toolScopesMax,
  })
  const claim =
    reader.nextTag === claimTag
      ? readNamed(reader, 'claim', { isName: isDnsSubdomain, tag: claimTag })
      : undefined
  return {
    cluster,
    namespace,
    serviceAccount,
    pod,
    node,
    issuanceId,
    evidenceDigest,
    policyDigest,
    ...(role === undefined ? {} : { role }),
    ...(tenant === undefined ? {} : { tenant }),
    ceiling: {
      models: models.map((text) => parseModel(text)),
      toolScopes: toolScopes.map((text) => parseToolScope(text)),
    },
    ...(claim === undefined ? {} : { claim }),
  }
}

function readNamed(
  reader: DerReader,
  what: string,
  {
    isName,
    tag = tags.sequence,
  }: { readonly isName: (text: string) => boolean; readonly tag?: number },
): Named {
  const named = reader.enter(tag, what)
  const name = readText(named, `${what}.name`, isName)
  const uid = readText(named, `${what}.uid`, isUid)
  named.finish(what)
  return { name, uid }
}

function readText(reader: DerReader, what: string, isValid: (text: string) => boolean): string {
  const text = reader.ascii(tags.utf8String, what)
  if (!isValid(text)) throw refused(`${what} is outside its grammar, got=${quoted(text)}`)
  return text
}

function readDigest(reader: DerReader, what: string, octets: number): string {
  const content = reader.content(tags.octetString, what)
  if (content.length !== octets) {
    throw refused(`${what} has the wrong length, want=${octets} got=${content.length}`)
  }
  return content.toString('hex')
}

function readRole(reader: DerReader): Role {
  const number = reader.smallInteger(roleTag, 'role')
  const role = rolesByNumber[number - 1]
  if (role === undefined) {
    throw refused(`role is not known, want=1..${rolesByNumber.length} got=${number}`)
  }
  return role
}

/** An absent list is an empty one, and an empty one is always absent: one encoding for one value. */
function readList(
  reader: DerReader,
  tag: number,
  bounds: { readonly what: string; readonly membersMax: number },
): readonly string[] {
  if (reader.nextTag !== tag) return []
  const { what, membersMax } = bounds
  const list = reader.enter(tag, what)
  const members: string[] = []
  do {
    const member = list.ascii(tags.utf8String, what)
    const previous = members.at(-1)
    if (previous !== undefined && previous >= member) {
      throw refused(`${what} are not strictly ascending, got=${quoted(member)}`)
    }
    if (members.length === membersMax) throw refused(`${what} are too many, want=..${membersMax}`)
    members.push(member)
  } while (list.nextTag !== -1)
  return members
}

/** The cluster's name is free within visible ASCII that is safe in logs and paths: cloud resource names pass. */
export function isClusterName(text: string): boolean {
  return /^[A-Za-z0-9](?:[A-Za-z0-9._:/-]{0,251}[A-Za-z0-9])?$/.test(text)
}

function tooLarge(got: string): CountersignError {
  return new CountersignError(
    'pki/ceiling-too-large',
    `identity does not fit into the certificate, want=..${modelsMax} models, ..${toolScopesMax} tool scopes, ..${identityExtensionOctetsMax} octets got=${got}`,
  )
}

function refused(message: string): CountersignError {
  return new CountersignError('pki/identity-extension', message)
}
