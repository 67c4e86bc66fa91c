import { listNames } from '../../agent/shared/text.ts';
import { namesOf } from '../names.ts';

/** Of each bound app its team. */
export type Binds = ReadonlyMap<string, string>;

/** One thing to put right. */
export type Act =
  /** No bind explains the grant. */
  | { readonly kind: 'revoke'; readonly instance: string; readonly app: string }
  /** A bind, or the instance's own app, lacks its grant. */
  | { readonly kind: 'grant'; readonly instance: string; readonly app: string }
  /** The annotation with the teams of the bound apps, for the agent. */
  | { readonly kind: 'confirm_binds'; readonly instance: string; readonly binds: Binds; readonly before: Binds }
  /** Somebody removed the app. */
  | { readonly kind: 'restore_app'; readonly instance: string }
  /** Somebody edited the settings in force, or what says whose the app is. */
  | { readonly kind: 'restore_settings'; readonly instance: string }
  /** The volume is gone, or not bound to the app. */
  | { readonly kind: 'restore_volume'; readonly instance: string }
  | { readonly kind: 'restore_token'; readonly instance: string; readonly apps: readonly string[] }
  | { readonly kind: 'restore_variables'; readonly instance: string }
  /** There is no unit. */
  | { readonly kind: 'deploy'; readonly instance: string }
  | Removal;

/** A part of an instance that Tsuru does not know. */
export interface Removal {
  readonly kind: 'remove';
  readonly instance: string;
  readonly what: 'app' | 'volume' | 'token';
  /** The creation that had the app in hand. */
  readonly maker: string;
}

const SHOWN_APPS = 10;

/** What an act does, as a command. */
export function describeAct(act: Act, service: string): string {
  const { instance } = act;
  const { part } = namesOf({ service, instance });
  switch (act.kind) {
    case 'revoke':
      return `revoke ${act.app} from ${part}: it is not bound`;
    case 'grant':
      return `grant ${act.app} to ${part}: the grant is missing`;
    case 'confirm_binds':
      return `confirm the binds of ${instance}: ${act.binds.size === 0 ? 'none' : listNames([...act.binds.keys()], SHOWN_APPS)}`;
    case 'restore_app':
      return `make the app ${part}, which is missing, and deploy it`;
    case 'restore_settings':
      return `write the settings, the tags or the annotations of ${part}, which were edited`;
    case 'restore_volume':
      return `make the volume ${part} or bind it to the app`;
    case 'restore_token':
      return `make the token ${part}, which is missing, with its grants`;
    case 'restore_variables':
      return `set the variables of ${part} that are missing or old`;
    case 'deploy':
      return `deploy ${part}, which has no unit, unless it was deployed and stopped`;
    case 'remove':
      return `remove the ${act.what} ${part}, if Tsuru confirms that it knows no instance ${instance}`;
  }
}
