import { objectsAt, textAt, type JsonObject } from '../json-object.ts'
import { ageColumn, ageOf, nameColumn, type Cell, type Column } from './column.ts'
import { parseJsonPath } from './json-path.ts'

/** The columns that a version of a definition asks for; name and age where it asks for none. */
export function customColumns(version: JsonObject): readonly Column[] {
  const asked = objectsAt(version, 'additionalPrinterColumns')
  if (asked.length === 0) return [nameColumn, { ...ageColumn, type: 'date' }]
  return [nameColumn, ...asked.map(customColumn)]
}

function customColumn(definition: JsonObject): Column {
  const type = textAt(definition, 'type')
  const format = textAt(definition, 'format')
  const { priority } = definition
  const path = parseJsonPath(textAt(definition, 'jsonPath'))
  return {
    name: textAt(definition, 'name'),
    type,
    ...(format === '' ? {} : { format }),
    ...(typeof priority === 'number' ? { priority } : {}),
    cell: (object, now) => {
      const [value] = path?.(object) ?? []
      return cellOf(value, type, now)
    },
  }
}

/** A value of another type than the column's is no cell. */
function cellOf(value: unknown, type: string, now: number): Cell {
  if (value === undefined || value === null) return null
  switch (type) {
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : null
    case 'number':
      return typeof value === 'number' ? value : null
    case 'boolean':
      return typeof value === 'boolean' ? value : null
    case 'date':
      if (typeof value !== 'string') return null
      return Number.isNaN(Date.parse(value)) ? '<invalid>' : ageOf(value, now)
    default:
      return typeof value === 'string' ? value : JSON.stringify(value)
  }
}
