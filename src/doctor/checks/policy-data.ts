import { ok, plural, problem, unknown, warning, type Check } from '../check.ts'
import { jsonOf, membersOf } from '../lenient.ts'

export const policyData: Check = {
  name: 'policy-data',
  judge: ({ policyData: fact, gateway }) => {
    if (!fact.known) return unknown(fact)
    const documents = fact.value
    if (documents.length === 0) {
      if (!gateway.known) return unknown(gateway)
      return warning('the gateway has no policy data: every call is refused', {
        hint: 'say what tenants may call, under policy.grants of the chart (docs/AUTHORIZATION.md)',
      })
    }
    const faults = documents.flatMap(({ file, text }) => {
      const value = jsonOf(text)
      return value === undefined || Object.keys(membersOf(value)).length === 0
        ? [`${file}: want=a JSON object`]
        : []
    })
    if (faults.length > 0) {
      return problem(`${plural(faults.length, 'fault')} in the policy's data`, {
        evidence: faults,
        hint: 'correct it where it comes from: a grant that cannot be read grants nothing',
      })
    }
    return ok(
      `the policy's data is valid`,
      documents.map(({ file }) => file),
    )
  },
}
