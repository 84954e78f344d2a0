/** The member of a result that holds a list. */
export type ListMember = 'tools' | 'prompts' | 'resources' | 'resourceTemplates'

/** What a list method gives. */
export interface ListForm {
  readonly member: ListMember
  /** What each of its elements is known by. */
  readonly named: 'name' | 'uri' | 'uriTemplate'
}

/** MCP 2026-07-28, 2025-11-25 and 2025-06-18 schema: the lists that come in pages. */
const forms: ReadonlyMap<string, ListForm> = new Map([
  ['tools/list', { member: 'tools', named: 'name' }],
  ['prompts/list', { member: 'prompts', named: 'name' }],
  ['resources/list', { member: 'resources', named: 'uri' }],
  ['resources/templates/list', { member: 'resourceTemplates', named: 'uriTemplate' }],
])

/** The form of the answer to a list method; undefined for a method that gives none. */
export function listFormOf(method: string): ListForm | undefined {
  return forms.get(method)
}
