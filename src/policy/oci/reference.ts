/** Which manifest of a repository: one that moves, or one for ever. */
export type ReferencePart =
  | { readonly kind: 'tag'; readonly text: string }
  | { readonly kind: 'digest'; readonly text: string }

/** A repository and what is meant of it. */
export type OciReference = ReferencePart & { readonly repository: string }

const repositoryOctetsMax = 255

/** OCI distribution, Pulling manifests: `name`. */
const repository = String.raw`[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*`
const tag = String.raw`[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`

/** SHA-256 alone: what every registry has. */
const digest = 'sha256:[0-9a-f]{64}'

const referencePattern = new RegExp(`^(${repository})(?::(${tag})|@(${digest}))$`)
const placePattern = new RegExp(`^(.+?)(?::(${tag})|@(${digest}))$`)
const digestPattern = new RegExp(`^${digest}$`)

export const referenceWant = '<repository>:<tag> or <repository>@sha256:<64 hex digits>'

/** Undefined where it is none. No tag is meant where none is said: `latest` is nobody's word for what decides. */
export function parseReference(text: string): OciReference | undefined {
  const [, name, tagged, pinned] = referencePattern.exec(text) ?? []
  if (name === undefined || name.length > repositoryOctetsMax) return undefined
  const part = partOf(tagged, pinned)
  return part && { ...part, repository: name }
}

/** A folder and what is meant of the layout in it; undefined where nothing is said. */
export function splitPlace(
  place: string,
): { readonly folder: string; readonly part: ReferencePart } | undefined {
  const [, folder, tagged, pinned] = placePattern.exec(place) ?? []
  const part = partOf(tagged, pinned)
  return folder === undefined || part === undefined ? undefined : { folder, part }
}

function partOf(tagged: string | undefined, pinned: string | undefined): ReferencePart | undefined {
  if (pinned !== undefined) return { kind: 'digest', text: pinned }
  return tagged === undefined ? undefined : { kind: 'tag', text: tagged }
}

export function isDigest(text: unknown): text is string {
  return typeof text === 'string' && digestPattern.test(text)
}
