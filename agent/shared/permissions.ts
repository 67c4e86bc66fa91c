import { asObject, asOptionalArray, asOptionalText, ShapeError } from './shape.ts';

/** A permission of a token, as `GET /1.0/users/info` lists them. */
export interface Permission {
  readonly name: string;
  readonly contextType: string;
  readonly contextValue: string;
}

/**
 * Reads the answer to `GET /1.0/users/info`.
 * @throws {ShapeError} when it cannot be read.
 */
export function readPermissions(body: unknown): readonly Permission[] {
  const user = asObject(body, 'the user');
  // A key that is there but null is Go's empty list; without the key this is some other answer.
  if (!('Permissions' in user)) throw new ShapeError('it has no Permissions');
  return asOptionalArray(user['Permissions'], 'Permissions').map((raw, index) => {
    const permission = asObject(raw, `Permissions[${index}]`);
    return {
      name: asOptionalText(permission['Name'], `Permissions[${index}].Name`),
      contextType: asOptionalText(permission['ContextType'], `Permissions[${index}].ContextType`),
      contextValue: asOptionalText(permission['ContextValue'], `Permissions[${index}].ContextValue`),
    };
  });
}
