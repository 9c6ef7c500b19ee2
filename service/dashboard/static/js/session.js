// Who looks at the dashboard: what the service told about the key and its scopes.
import { ask, renewBy, useToken } from "./api.js";

const PATH = "/dashboard/session";
let known = { state: "signed_out", scopes: [] };

function take(answer) {
  known = { scopes: [], ...answer };
  useToken(answer.csrf ?? null);
  document.dispatchEvent(new Event("session:known"));
  return known;
}

export const look = async () => take(await ask("GET", PATH));
export const signIn = async (key) => take(await ask("POST", PATH, { body: { key } }));
export async function signOut() {
  await ask("DELETE", PATH);
  return look();
}

export const who = () => known;

renewBy(async () => {
  const { key_id: before } = known;
  const isSame = (await look()).key_id === before;
  if (!isSame) document.dispatchEvent(new Event("session:other"));
  return isSame;
});
export const may = (scope) => known.scopes.includes(scope) || known.scopes.includes("admin");
