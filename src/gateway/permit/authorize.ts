import type { Call } from '../call.ts'
import type { Catalogue } from '../catalogue/catalogue.ts'
import type { Catalogues } from '../catalogue/catalogues.ts'
import type { Definition } from '../catalogue/definition.ts'
import type { Reason } from '../../policy/decision.ts'
import type { Quarantine } from '../catalogue/pins.ts'
import { isRefused, type Refused } from '../refusal.ts'
import { whenThere, type Soon } from '../soon.ts'
import { eraThere } from '../translate/era.ts'
import { isServed, isWithinCeiling, outsideCeiling, outsideServerScopes } from './ceiling.ts'
import {
  checkArgumentNames,
  checkParamHeaders,
  refuseUnknown,
  untranslatable,
} from './definition.ts'
import type { CarryOut } from './carry-out.ts'
import { createHiding, type DenialMode, type Hidden } from './hide.ts'
import { noDuties, type PermitDuties } from './obligations.ts'
import type { Decided, Decisions } from './policy.ts'

declare const authorized: unique symbol

/** A call that may be made, and the decision that says so. Only `authorize` makes one, and nothing is sent or signed without one. */
export interface Permit {
  readonly [authorized]: true
  readonly call: Call
  /** Of the tool that is called. */
  readonly definition: Definition | undefined
  /** Undefined for a notification: it belongs to a session or a request that had a decision. */
  readonly decisionId: string | undefined
  /** What it stands under. */
  readonly duties: PermitDuties
}

export interface AuthorizeOptions {
  readonly decisions: Decisions
  readonly catalogueOf: Catalogues
  readonly quarantineOf: Quarantine
  readonly carryOut: CarryOut
  readonly denials?: DenialMode | undefined
}

/**
 * Whether a call may be made, in the order asked: the ceilings of certificate and tool server, the definition of the tool, policy,
 * obligations. The ceilings stand first, so that nobody makes the gateway ask an upstream about a tool outside of them.
 */
export function createAuthorize(options: AuthorizeOptions): (call: Call) => Soon<Permit | Refused> {
  const { decisions, catalogueOf, quarantineOf, carryOut, denials = 'explicit' } = options
  const hiding = createHiding(denials, decisions)

  /** What the caller is shown in no list. */
  function refuseUnlisted(
    hidden: Hidden,
    check: 'ceiling' | 'definition',
    reason: Reason,
  ): Refused {
    return decisions.refuse(hidden, check, reason, hiding.unlisted(hidden))
  }

  function authorizeFound(
    call: Call,
    definition: Definition | undefined,
    catalogue: Catalogue,
  ): Soon<Permit | Refused> {
    if (definition === undefined) return refuseUnknown(call, catalogue)
    const hidden = { call, definition, catalogue }
    const { upstream } = call.target
    const reason =
      upstream &&
      (quarantineOf(upstream.config, definition, eraThere(call.message.era, upstream.config)) ??
        untranslatable(call.message.era, upstream.config, definition))
    if (reason !== undefined) return refuseUnlisted(hidden, 'definition', reason)
    const unfit = checkParamHeaders(call, definition) ?? checkArgumentNames(call, definition)
    return unfit === undefined ? decide(hidden) : hiding.told(hidden, unfit)
  }
  function decide(hidden: Hidden): Soon<Permit | Refused> {
    const { call, definition } = hidden
    if (call.message.kind === 'notification') return permit(call, definition, undefined, noDuties)
    return whenThere(decisions.decide(hidden), (decided) =>
      oblige(call, definition, hiding.told(hidden, decided)),
    )
  }
  function oblige(
    call: Call,
    definition: Definition | undefined,
    decided: Decided | Refused,
  ): Soon<Permit | Refused> {
    if (isRefused(decided)) return decided
    if (decided.obligations.length === 0) return permit(call, definition, decided.id, noDuties)
    return whenThere(carryOut({ call, definition }, decided), (duties) =>
      isRefused(duties) ? duties : permit(call, definition, decided.id, duties),
    )
  }

  return (call) => {
    const { target, message } = call
    if (!isWithinCeiling(call)) {
      return refuseUnlisted({ call, definition: undefined }, 'ceiling', outsideCeiling)
    }
    if (target.kind === 'server') return decide({ call, definition: undefined })
    if (!isServed(target)) {
      return refuseUnlisted(
        { call, definition: undefined },
        'ceiling',
        outsideServerScopes(target.kind),
      )
    }
    if (target.kind !== 'tool') return decide({ call, definition: undefined })
    const catalogue = catalogueOf(target.upstream, eraThere(message.era, target.upstream.config))
    return whenThere(catalogue.find(target.tool), (definition) =>
      authorizeFound(call, definition, catalogue),
    )
  }
}

// oxlint-disable-next-line max-params -- what a permit is
function permit(
  call: Call,
  definition: Definition | undefined,
  decisionId: string | undefined,
  duties: PermitDuties,
): Permit {
  return { call, definition, decisionId, duties } as Permit
}
