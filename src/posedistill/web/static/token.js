// Asks for the server's token when it is needed, and keeps it for this tab.

const KEY = "posedistill-token";
let asking = null;

export const token = () => sessionStorage.getItem(KEY) ?? "";
export const forgetToken = () => sessionStorage.removeItem(KEY);

function ask(wasWrong) {
  const dialog = document.getElementById("token-dialog");
  const field = document.getElementById("token");
  const note = document.getElementById("token-note");
  if (wasWrong) note.textContent = "That was not the token. Look at how the server was started.";
  field.value = "";
  return new Promise((resolve, reject) => {
    document.getElementById("token-cancel").onclick = () => dialog.close();
    document.getElementById("token-form").onsubmit = () => {
      sessionStorage.setItem(KEY, field.value.trim());
    };
    dialog.onclose = () => {
      if (token()) resolve();
      else reject(new Error("Without the token the server gives no answer. Reload the page to enter it."));
    };
    dialog.showModal();
    field.focus();
  });
}

/** Resolves once a token has been entered; all who ask at the same time share one question. */
export function askToken(wasWrong) {
  if (token()) return Promise.resolve(); // another request has just got it
  asking ??= ask(wasWrong).finally(() => {
    asking = null;
  });
  return asking;
}
