import type { X509Svid } from '../../src/pki/x509-svid.ts'
import { impostors, spiffeIdOf, type CastPod, type Impostor } from './cast.ts'
import { endingForPod, expectEnding, svidOf } from './requests.ts'
import { expect, type Chapter, type Step } from './world.ts'

/** Every role once, for two tenants: who asks for what is proved gets it, and nothing more. */
export function certificatesChapter(actors: readonly CastPod[]): Chapter {
  return { title: 'Certificates, after the claims are checked', steps: actors.map(issued) }
}

/** Who asks for more is refused, and told what was proved. */
export const refusalsChapter: Chapter = {
  title: 'Refusals, each with its reason',
  steps: impostors.map(denied),
}

function issued(pod: CastPod): Step {
  const { namespace, name } = pod
  return {
    title: `${namespace}/${name}, ${pod.plot}`,
    async check(world) {
      expectEnding(await endingForPod(world, namespace, name), 'Issued')
      const svid = await svidOf(world, namespace, name)
      const want = spiffeIdOf(namespace, pod.serviceAccount)
      expect(svid.spiffeId.uri === want, `want=${want} got=${svid.spiffeId.uri}`)
      const scopes = svid.identity?.ceiling.toolScopes.map((scope) => scope.text).join(',') ?? ''
      const asked = pod.asks['countersign.dev/tool-scopes'] ?? ''
      expect(scopes === asked, `tool scopes: want=${asked} got=${scopes}`)
      return `issued ${describe(svid)}`
    },
  }
}

function describe(svid: X509Svid): string {
  const { role, tenant, ceiling } = svid.identity ?? {}
  const scopes = ceiling?.toolScopes.map((scope) => scope.text) ?? []
  const words = [
    svid.spiffeId.uri,
    `role ${role ?? 'none'}`,
    `tenant ${tenant ?? 'none'}`,
    ...(scopes.length === 0 ? [] : [`tools ${scopes.join(' ')}`]),
    ...(ceiling === undefined || ceiling.models.length === 0
      ? []
      : [`models ${ceiling.models.join(' ')}`]),
    ...(svid.dnsNames[0] === undefined ? [] : [`dns ${svid.dnsNames[0]}`]),
  ]
  return `${words.join(', ')}, until ${svid.notAfter.toISOString().slice(11, 16)}Z`
}

function denied(pod: Impostor): Step {
  const { namespace, name } = pod
  return {
    title: `${namespace}/${name} ${pod.plot}`,
    async check(world) {
      const ending = await endingForPod(world, namespace, name)
      expectEnding(ending, 'Denied', pod.reason)
      return `refused ${ending.reason}: ${ending.message}`
    },
  }
}
