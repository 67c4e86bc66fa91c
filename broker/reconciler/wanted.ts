import { BINDS_ANNOTATION } from '../../agent/shared/binds.ts';
import { compareText } from '../../agent/shared/text.ts';
import { bindsOf, bindsText } from '../instances/binds-annotation.ts';
import { acceptanceOf } from '../instances/parts/accepted.ts';
import { AUTHORITIES, isOwn, missingMarks, VARIABLES } from '../instances/parts/instance.ts';
import { namesOf } from '../names.ts';
import type { App } from '../tsuru/app.ts';
import { READER } from '../tsuru/grants.ts';
import type { Act, Binds } from './act.ts';
import type { Parts, RoundFacts } from './facts.ts';

/** How long an app is missing before it is made again: the removal of an instance begins with its app, and Tsuru gives it 5 minutes. */
export const MISSING_APP_GRACE_MS = 5 * 60_000;
/** A grant or a volume is missing in two rounds before it is made again: a bind or an update may be under way. */
const TWO_ROUNDS_MS = 0;
/** An act, and how long what it repairs must have been missing before; without that it is due at once. */
export interface Wanted {
  readonly act: Act;
  readonly missing?: { readonly key: string; readonly graceMs: number };
}

export const NO_PARTS: Parts = { app: undefined, token: undefined, volume: undefined, variables: undefined };

/** All that differs of an instance that Tsuru knows. */
export function wantedOf(
  instance: string,
  bound: readonly string[],
  { parts, teams }: RoundFacts,
  { service, authorities }: { readonly service: string; readonly authorities: string },
): readonly Wanted[] {
  const part = parts.get(instance) ?? NO_PARTS;
  const names = namesOf({ service, instance });
  const { app, volume, token, variables } = part;
  if (app === undefined) {
    const missing = { key: `app ${instance}`, graceMs: MISSING_APP_GRACE_MS };
    return [{ act: { kind: 'restore_app', instance }, missing }];
  }
  const grants = wantedGrants(part, instance, names.part, bound);
  // Nothing is done with the app before it has its marks again.
  if (!isOwn({ id: { service, instance } }, app)) return [...grants, { act: { kind: 'restore_settings', instance } }];
  const isStale = variables !== undefined && token !== undefined && !hasVariables(variables, token.value, authorities);
  const isMarked = Object.keys(missingMarks(app, names)).length === 0;
  const lacksVolume = volume === undefined || (volume !== 'unknown' && !volume.boundTo.includes(names.part));
  const atOnce: readonly (readonly [boolean, Act])[] = [
    [token === undefined, { kind: 'restore_token', instance, apps: bound }],
    [isStale, { kind: 'restore_variables', instance }],
    [!isMarked || acceptanceOf(app) === 'edited', { kind: 'restore_settings', instance }],
    [app.units.length === 0 && app.unitsError === '', { kind: 'deploy', instance }],
  ];
  const volumeMissing = { key: `volume ${instance}`, graceMs: TWO_ROUNDS_MS };
  return [
    ...grants,
    ...wantedBinds(app, instance, bound, teams),
    ...atOnce.filter(([differs]) => differs).map(([, act]) => ({ act })),
    ...(lacksVolume ? [{ act: { kind: 'restore_volume', instance } as const, missing: volumeMissing }] : []),
  ];
}

function wantedGrants({ token }: Parts, instance: string, ownApp: string, bound: readonly string[]): readonly Wanted[] {
  if (token === undefined) return [];
  const granted = new Set(token.roles.filter(({ name }) => name === READER).map(({ context }) => context));
  const explained = new Set([ownApp, ...bound]);
  const lost = [...explained].filter((name) => !granted.has(name)).sort(compareText);
  const extra = [...granted].filter((name) => !explained.has(name)).sort(compareText);
  return [
    ...extra.map((app): Wanted => ({ act: { kind: 'revoke', instance, app } })),
    ...lost.map((app): Wanted => {
      const act: Act = { kind: 'grant', instance, app };
      return app === ownApp ? { act } : { act, missing: { key: `grant ${instance} ${app}`, graceMs: TWO_ROUNDS_MS } };
    }),
  ];
}

function wantedBinds(
  app: App,
  instance: string,
  bound: readonly string[],
  teams: ReadonlyMap<string, string>,
): readonly Wanted[] {
  const before = bindsOf(app);
  // An app whose team is not known keeps what was confirmed.
  const binds: Binds = new Map(
    bound.flatMap((name): [string, string][] => {
      const team = teams.get(name) ?? before.get(name);
      return team === undefined ? [] : [[name, team]];
    }),
  );
  // What cannot be read confirms nothing, and is replaced.
  const isConfirmed = bindsText(binds) === (app.annotations.get(BINDS_ANNOTATION) ?? '');
  return isConfirmed ? [] : [{ act: { kind: 'confirm_binds', instance, binds, before } }];
}

/** `token` is '' when the broker may not see its value. */
function hasVariables(variables: ReadonlyMap<string, string>, token: string, authorities: string): boolean {
  const isTokenRight = token === '' ? variables.has(VARIABLES.token) : variables.get(VARIABLES.token) === token;
  const areTrusted = authorities === '' || variables.get(AUTHORITIES) === authorities;
  return isTokenRight && areTrusted && variables.has(VARIABLES.username) && variables.has(VARIABLES.password);
}
