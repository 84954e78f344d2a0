import { ok, plural, unknown, warning, withPartial, type Check } from '../check.ts'
import type { ToolServerFact } from '../facts.ts'
import { isInstalled } from '../own-pods.ts'

/** What becomes of the ToolServers, as the gateways say it in their status; whether each answers the check of upstreams says. */
export const toolServers: Check = {
  name: 'tool-servers',
  judge: (facts) => {
    const { gateway, toolServers: found } = facts
    if (!isInstalled(facts, 'gateway')) return ok('no gateway is installed here')
    if (!gateway.known) return unknown(gateway)
    if (!gateway.value.toolServers) {
      const unread = found.known ? found.value.length : 0
      return unread === 0
        ? ok('the gateway follows no ToolServers, and there are none')
        : warning(`${plural(unread, 'ToolServer')} that the gateway does not follow`, {
            evidence: found.known ? found.value.map(placeOf) : [],
            hint: 'set gateway.toolServers=true in the chart, or delete them',
          })
    }
    if (!found.known) return unknown(found)
    const refused = found.value.filter((each) => isOfNow(each) && each.said?.accepted === false)
    const silent = found.value.filter((each) => !isOfNow(each))
    if (refused.length > 0 || silent.length > 0) {
      const counts = [
        ...(refused.length > 0 ? [`${refused.length} not accepted`] : []),
        ...(silent.length > 0 ? [`${silent.length} of which no gateway says anything`] : []),
      ]
      return warning(`of ${plural(found.value.length, 'ToolServer')} ${counts.join(', ')}`, {
        evidence: [
          ...refused.map((each) => `${placeOf(each)}: ${each.said?.reason}: ${each.said?.message}`),
          ...silent.map(
            (each) => `${placeOf(each)}: nothing said of generation ${each.generation}`,
          ),
        ],
        hint:
          refused.length > 0
            ? 'each line begins with the field that is to be changed: docs/AUTHORIZATION.md, Tool servers as resources'
            : 'is the gateway ready, and may it patch toolservers/status: see the checks gateway and rights',
      })
    }
    const accepted = `${plural(found.value.length, 'ToolServer')}, each is accepted`
    return withPartial(ok(found.value.length === 0 ? 'no ToolServers' : accepted), [found])
  },
}

function isOfNow({ said, generation }: ToolServerFact): boolean {
  return said?.generation === generation
}

function placeOf({ namespace, name }: ToolServerFact): string {
  return `${namespace}/${name}`
}
