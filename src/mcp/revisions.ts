import type { Era } from './message.ts'

/** The protocol revisions that are served, newest first. */
export const modernVersions: readonly string[] = ['2026-07-28']
export const legacyVersions: readonly string[] = ['2025-11-25', '2025-06-18']

/** Of the legacy revisions the one in which a stream may end before its answer, and clients ask for the rest (SEP-1699). */
export const pollingVersion = '2025-11-25'

const allVersions: readonly string[] = [...modernVersions, ...legacyVersions]

export function versionsOf(eras: readonly Era[]): readonly string[] {
  if (!eras.includes('legacy')) return eras.includes('modern') ? modernVersions : []
  return eras.includes('modern') ? allVersions : legacyVersions
}
