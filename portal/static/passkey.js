/* Signing in with a passkey, and adding one (WebAuthn). What the authenticator is asked stands in `data-asked`; what it answers
   goes into the form, which is then sent like any other. Without this the page says that it needs it. */
(function () {
  "use strict";
  var place = document.getElementById("passkey"), said = document.getElementById("passkey-said");
  var reads = { create: "parseCreationOptionsFromJSON", get: "parseRequestOptionsFromJSON" };
  var kind = window.PublicKeyCredential;
  if (!place || !kind || !kind[reads[place.dataset.verb]]) return;

  var form = place.querySelector("form"), verb = place.dataset.verb;
  var ask = function () {
    said.textContent = place.dataset.asking;
    Promise.resolve().then(function () {
      return navigator.credentials[verb]({ publicKey: kind[reads[verb]](JSON.parse(place.dataset.asked)) });
    }).then(function (found) {
      form.elements.credential.value = JSON.stringify(found.toJSON());
      form.submit();
    }).catch(function () {
      said.textContent = place.dataset.refused;
      place.hidden = false;
    });
  };
  form.addEventListener("submit", function (event) {
    event.preventDefault();
    ask();
  });
  ask();
})();
