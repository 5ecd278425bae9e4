// Photos that are dropped, pasted or chosen.

/** Calls back with the files, whichever way they come. */
export function incoming(call) {
  const hint = document.getElementById("drop-hint");
  const field = document.getElementById("files");
  let depth = 0; // of the elements that a drag has entered and not left
  const leave = () => {
    depth = 0;
    hint.hidden = true;
  };
  addEventListener("dragenter", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    depth += 1;
    hint.hidden = false;
  });
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("dragleave", () => {
    depth -= 1;
    if (depth <= 0) leave();
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    leave();
    call([...(event.dataTransfer?.files ?? [])]);
  });
  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) event.preventDefault();
    call(files);
  });
  field.addEventListener("change", () => {
    call([...field.files]);
    field.value = ""; // so that the same photo can be chosen again
  });
}
