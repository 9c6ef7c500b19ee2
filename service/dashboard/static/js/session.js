// Who looks at the dashboard: what the service told about key, scopes and the routes it has.
import { ask, useToken } from "./api.js";

const PATH = "/dashboard/session";
let known = { state: "signed_out", scopes: [], routes: [] };

const take = (answer) => { known = { scopes: [], routes: [], ...answer }; useToken(answer.csrf ?? null); return known; };

export const look = async () => take(await ask("GET", PATH));
export const signIn = async (key) => take(await ask("POST", PATH, { body: { key } }));
export async function signOut() {
  await ask("DELETE", PATH);
  return look();
}

export const who = () => known;
export const may = (scope) => known.scopes.includes(scope) || known.scopes.includes("admin");
// Whether this installation serves a route, as its API document spells it.
export const has = (path) => known.routes.includes(path);
