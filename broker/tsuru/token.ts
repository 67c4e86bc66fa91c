import { asObject, asOptionalArray, asOptionalText } from '../../agent/shared/shape.ts';

export interface Token {
  /** Its name. */
  readonly id: string;
  /** '' when the caller may not see it. */
  readonly value: string;
  readonly team: string;
  readonly description: string;
  readonly roles: readonly { readonly name: string; readonly context: string }[];
}

export function readToken(value: unknown): Token {
  const token = asObject(value, 'the token');
  return {
    id: asOptionalText(token['token_id'], 'token_id'),
    value: asOptionalText(token['token'], 'token'),
    team: asOptionalText(token['team'], 'team'),
    description: asOptionalText(token['description'], 'description'),
    roles: asOptionalArray(token['roles'], 'roles').map((item) => {
      const role = asObject(item, 'a role');
      return {
        name: asOptionalText(role['Name'], 'Name'),
        context: asOptionalText(role['ContextValue'], 'ContextValue'),
      };
    }),
  };
}
